package org.finetune4j.peft.prompt;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.AdapterDType;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.promptlearning.PromptEncoder;
import org.finetune4j.peft.promptlearning.PromptInitialization;
import org.finetune4j.peft.promptlearning.PromptInitialization.Kind;
import org.finetune4j.peft.promptlearning.TableEncoder;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** Prompt tuning (Lester et al. 2021): the model stays as it is, and sees learned vectors before those of the tokens. */
public final class PromptTuning extends EmbeddingPrompt {

    private final PromptTuningConfig config;

    PromptTuning(PromptTuningConfig config, boolean stored) {
        super(PromptTuningMethod.NAME, config.madeFor(), stored);
        this.config = config;
    }

    /**
     * {@return prompt tuning with these settings}
     *
     * @param config the settings
     */
    public static PromptTuning of(PromptTuningConfig config) {
        return new PromptTuning(config, false);
    }

    @Override
    PromptEncoder encoder(CausalLM model, boolean trainable) {
        return new TableEncoder(model, table(model, config.initialization(), config.virtualTokens()), trainable);
    }

    /** [tokens, hidden] to start from. */
    static Tensor table(CausalLM model, PromptInitialization initialization, int tokens) {
        return initialization.kind() == Kind.RANDOM
                ? InitialValues.normal(
                        model.device(),
                        1,
                        tokens,
                        model.network().inputEmbedding().weight().size(1))
                : vectors(model, initialization.tokens(model, tokens));
    }

    private static Tensor vectors(CausalLM model, int[] tokens) {
        Tensor ids = Tensors.of(tokens, tokens.length).to(DType.INT64).to(model.device());
        return model.network().tokenVectors(ids, AdapterDType.of(model)).copy(); // [tokens, hidden]
    }

    @Override
    Map<String, @Nullable Object> configuration(CausalLM model) {
        return config.toJson(model, isStored());
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("num_virtual_tokens", config.virtualTokens());
        shown.put("prompt_tuning_init", config.initialization().kind().name());
        return shown;
    }
}
