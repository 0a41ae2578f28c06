package org.finetune4j.peft.promptlearning;

import java.util.List;
import java.util.Optional;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.prefix.PrefixTuning;
import org.finetune4j.peft.prefix.PrefixTuningConfig;
import org.finetune4j.peft.prompt.MultitaskPromptTuning;
import org.finetune4j.peft.prompt.MultitaskPromptTuningConfig;
import org.finetune4j.peft.prompt.PTuning;
import org.finetune4j.peft.prompt.PTuningConfig;
import org.finetune4j.peft.prompt.PTuningConfig.Encoder;
import org.finetune4j.peft.prompt.PromptTuning;
import org.finetune4j.peft.prompt.PromptTuningConfig;
import org.finetune4j.strategy.AdapterContract;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;

/** Virtual tokens keep the promises of an adapter, but that a new one changes nothing: there is no neutral prompt. */
@Tag("slow")
class PromptContractTest {

    private static final int TOKENS = 5;

    /** What prompts have in common. */
    abstract static class PromptContract extends AdapterContract {

        @Override
        protected Optional<FineTuningStrategy> withTarget(String name) {
            return Optional.empty();
        }

        @Override
        protected float neutralTolerance() {
            return Float.POSITIVE_INFINITY;
        }

        static long hidden(CausalLM model) {
            return model.network().inputEmbedding().weight().value().size(1);
        }

        /** Numbers of one layer's keys; the tiny models with grouped heads have 2 of 4 heads for keys and values. */
        static long tokenDim(CausalLM model) {
            int heads = model.config().positive("num_attention_heads", 4);
            return hidden(model) / heads * model.config().positive("num_key_value_heads", heads);
        }

        static long prefixWidth(CausalLM model) {
            return 2 * model.network().layers().size() * tokenDim(model);
        }
    }

    @Nested
    class PrefixFromActivations extends PromptContract {
        @Override
        protected FineTuningStrategy strategy() {
            return PrefixTuning.of(PrefixTuningConfig.of(TOKENS));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return TOKENS * prefixWidth(model);
        }

        @Override
        protected List<String> models() {
            return List.of("llama", "gpt2", "phi3");
        }
    }

    @Nested
    class PrefixOfAMixtureOfExperts extends PrefixFromActivations {
        @Override
        protected List<String> models() {
            return List.of("qwen3_moe");
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            // Its heads have a size of their own, head_dim.
            long keys = (long) model.config().positive("num_key_value_heads")
                    * model.config().positive("head_dim");
            return TOKENS * 2L * model.network().layers().size() * keys;
        }
    }

    @Nested
    class ProjectedPrefix extends PromptContract {
        @Override
        protected FineTuningStrategy strategy() {
            return PrefixTuning.of(PrefixTuningConfig.projected(TOKENS, 16));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            long first = 16 * (tokenDim(model) + 1);
            return TOKENS * tokenDim(model) + first + (16 + 1) * prefixWidth(model);
        }

        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }
    }

    @Nested
    class SoftPrompt extends PromptContract {
        @Override
        protected FineTuningStrategy strategy() {
            return PromptTuning.of(PromptTuningConfig.of(TOKENS));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return TOKENS * hidden(model);
        }

        @Override
        protected List<String> models() {
            return List.of("llama", "gpt2", "qwen3_moe");
        }
    }

    @Nested
    class PromptOfOneOfManyTasks extends PromptContract {
        @Override
        protected FineTuningStrategy strategy() {
            return MultitaskPromptTuning.of(
                    MultitaskPromptTuningConfig.of(TOKENS, 1).withRanks(2));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return TOKENS * hidden(model) + 2 * (TOKENS + hidden(model));
        }

        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }
    }

    @Nested
    class PTuningWithMlp extends PromptContract {
        @Override
        protected FineTuningStrategy strategy() {
            return PTuning.of(PTuningConfig.of(TOKENS, Encoder.MLP, 16));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            long hidden = hidden(model);
            return TOKENS * hidden + 16 * (hidden + 1) + 16 * (16 + 1) + hidden * (16 + 1);
        }

        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }
    }

    @Nested
    class PTuningWithLstm extends PromptContract {
        @Override
        protected FineTuningStrategy strategy() {
            return PTuning.of(PTuningConfig.of(TOKENS, Encoder.LSTM, 8));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            long hidden = hidden(model);
            long first = 2 * 4 * 8 * (hidden + 8 + 2);
            long second = 2 * 4 * 8 * (16 + 8 + 2);
            return TOKENS * hidden + first + second + 16 * (16 + 1) + hidden * (16 + 1);
        }

        @Override
        protected List<String> models() {
            return FEW_MODELS;
        }
    }
}
