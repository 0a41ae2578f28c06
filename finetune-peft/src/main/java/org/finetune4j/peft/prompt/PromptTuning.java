package org.finetune4j.peft.prompt;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Prompt;
import org.finetune4j.peft.AdapterDType;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.promptlearning.PromptAdapter;
import org.finetune4j.peft.promptlearning.PromptEncoder;
import org.finetune4j.peft.promptlearning.PromptInitialization;
import org.finetune4j.peft.promptlearning.PromptInitialization.Kind;
import org.finetune4j.peft.promptlearning.PromptKeys;
import org.finetune4j.peft.promptlearning.PromptKeys.Sizes;
import org.finetune4j.peft.promptlearning.TableEncoder;
import org.finetune4j.strategy.DeltaKind;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;

/** Prompt tuning (Lester et al. 2021): the model stays as it is, and sees learned vectors before those of the tokens. */
public final class PromptTuning implements PeftStrategy {

    private final PromptTuningConfig config;
    private final boolean stored;

    PromptTuning(PromptTuningConfig config, boolean stored) {
        this.config = config;
        this.stored = stored;
    }

    /** Prompt tuning with these settings. */
    public static PromptTuning of(PromptTuningConfig config) {
        return new PromptTuning(config, false);
    }

    @Override
    public String method() {
        return PromptTuningMethod.NAME;
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.ADDITION;
    }

    @Override
    public double defaultLearningRate() {
        return PromptInitialization.LEARNING_RATE;
    }

    @Override
    public PromptAdapter attach(CausalLM model, boolean trainable) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Sizes sizes = PromptKeys.ofEmbeddings(model);
            config.madeFor().check(sizes);
            return PromptAdapter.attach(
                    model,
                    () -> encoder(model, trainable),
                    Prompt.Embeddings::new,
                    config.toJson(model, stored),
                    stored,
                    trainable);
        }
    }

    private PromptEncoder encoder(CausalLM model, boolean trainable) {
        int tokens = config.virtualTokens();
        Tensor table = model.network().inputEmbedding().weight().value();
        Tensor values = config.initialization().kind() == Kind.RANDOM
                ? InitialValues.normal(model.device(), 1, tokens, table.size(1))
                : vectors(model, config.initialization().tokens(model, tokens));
        return new TableEncoder(model, values, trainable);
    }

    private static Tensor vectors(CausalLM model, int[] tokens) {
        Tensor ids = Tensors.of(tokens, tokens.length).to(DType.INT64).to(model.device());
        return model.network().tokenVectors(ids, AdapterDType.of(model)).copy(); // [tokens, hidden]
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("num_virtual_tokens", config.virtualTokens());
        shown.put("prompt_tuning_init", config.initialization().kind().name());
        return shown;
    }
}
