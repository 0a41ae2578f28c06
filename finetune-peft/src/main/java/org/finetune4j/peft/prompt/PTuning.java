package org.finetune4j.peft.prompt;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Prompt;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.promptlearning.FeedForwardEncoder;
import org.finetune4j.peft.promptlearning.LstmEncoder;
import org.finetune4j.peft.promptlearning.PromptAdapter;
import org.finetune4j.peft.promptlearning.PromptEncoder;
import org.finetune4j.peft.promptlearning.PromptInitialization;
import org.finetune4j.peft.promptlearning.PromptKeys;
import org.finetune4j.peft.promptlearning.PromptKeys.Sizes;
import org.finetune4j.strategy.DeltaKind;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.TensorScope;

/** P-tuning (Liu et al. 2021): prompt tuning in which a small network makes the prompt while it trains. */
public final class PTuning implements PeftStrategy {

    private final PTuningConfig config;
    private final boolean stored;

    PTuning(PTuningConfig config, boolean stored) {
        this.config = config;
        this.stored = stored;
    }

    /** P-tuning with these settings. */
    public static PTuning of(PTuningConfig config) {
        return new PTuning(config, false);
    }

    @Override
    public String method() {
        return PTuningMethod.NAME;
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
            int width = (int) model.network().inputEmbedding().weight().value().size(1);
            int hidden = config.encoderHiddenSize() == null ? width : config.encoderHiddenSize();
            return PromptAdapter.attach(
                    model,
                    () -> encoder(model, width, hidden, trainable),
                    Prompt.Embeddings::new,
                    config.toJson(sizes, hidden),
                    stored,
                    trainable);
        }
    }

    private PromptEncoder encoder(CausalLM model, int width, int hidden, boolean trainable) {
        int tokens = config.virtualTokens();
        return switch (config.encoder()) {
            case MLP -> FeedForwardEncoder.pTuning(model, tokens, width, hidden, trainable);
            case LSTM ->
                new LstmEncoder(
                        model, tokens, width, hidden, config.encoderLayers(), config.encoderDropout(), trainable);
        };
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("num_virtual_tokens", config.virtualTokens());
        shown.put("encoder_reparameterization_type", config.encoder().name());
        return shown;
    }
}
