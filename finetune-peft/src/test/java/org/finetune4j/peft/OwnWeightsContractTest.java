package org.finetune4j.peft;

import java.util.List;
import java.util.Optional;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.bitfit.BitFit;
import org.finetune4j.peft.freeze.Freeze;
import org.finetune4j.peft.lntuning.LnTuning;
import org.finetune4j.peft.tokens.TrainableTokens;
import org.finetune4j.strategy.AdapterContract;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;

/** Methods that train some of the model's own weights keep the promises of an adapter. */
@Tag("slow")
class OwnWeightsContractTest {

    @Nested
    class RowsOfTokens extends AdapterContract {
        private static final List<Integer> TOKENS = List.of(5, 9, 17, 33);

        @Override
        protected FineTuningStrategy strategy() {
            return TrainableTokens.of(TOKENS);
        }

        @Override
        protected Optional<FineTuningStrategy> withTarget(String name) {
            return Optional.empty();
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return TOKENS.size() * model.network().inputEmbedding().weight().size(1);
        }
    }

    @Nested
    class LnTuningOfAllNorms extends AdapterContract {
        @Override
        protected FineTuningStrategy strategy() {
            return LnTuning.of(ModuleSelection.of(new TargetModules.Regex(".*(norm|ln_1|ln_2|ln_f)")));
        }

        @Override
        protected Optional<FineTuningStrategy> withTarget(String name) {
            return Optional.empty();
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return model.network().namedModules().values().stream()
                    .filter(Norm.class::isInstance)
                    .flatMap(norm -> norm.allParameters().stream())
                    .mapToLong(parameter -> parameter.value().numel())
                    .sum();
        }
    }

    @Nested
    class BitFitOfAllBiases extends AdapterContract {
        @Override
        protected FineTuningStrategy strategy() {
            return BitFit.all();
        }

        @Override
        protected List<String> models() {
            return List.of("gpt2", "qwen2");
        }

        @Override
        protected Optional<FineTuningStrategy> withTarget(String name) {
            return Optional.of(BitFit.of(List.of(name)));
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            return TargetedContract.biases(model);
        }
    }

    @Nested
    class FreezeTheFirstLayer extends AdapterContract {
        @Override
        protected FineTuningStrategy strategy() {
            return Freeze.layers(1);
        }

        @Override
        protected Optional<FineTuningStrategy> withTarget(String name) {
            return Optional.empty();
        }

        @Override
        protected long expectedTrainableParameters(CausalLM model) {
            long top = model.network().layers().stream()
                    .skip(1)
                    .mapToLong(layer -> numbers(layer.allParameters()))
                    .sum();
            boolean tied = model.network().isTied();
            long norm = model.network().namedModules().entrySet().stream()
                    .filter(entry -> List.of("model.norm", "transformer.ln_f").contains(entry.getKey()))
                    .mapToLong(entry -> numbers(entry.getValue().allParameters()))
                    .sum();
            return top
                    + norm
                    + (tied ? 0 : numbers(model.network().outputLayer().allParameters()));
        }

        private long numbers(Iterable<Parameter> parameters) {
            long numbers = 0;
            for (Parameter parameter : parameters) {
                numbers += parameter.value().numel();
            }
            return numbers;
        }
    }
}
