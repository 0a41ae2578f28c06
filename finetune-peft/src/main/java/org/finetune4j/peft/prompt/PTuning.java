package org.finetune4j.peft.prompt;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.promptlearning.FeedForwardEncoder;
import org.finetune4j.peft.promptlearning.LstmEncoder;
import org.finetune4j.peft.promptlearning.PromptEncoder;
import org.finetune4j.peft.promptlearning.PromptKeys;
import org.jspecify.annotations.Nullable;

/** P-tuning (Liu et al. 2021): prompt tuning in which a small network makes the prompt while it trains. */
public final class PTuning extends EmbeddingPrompt {

    private final PTuningConfig config;

    PTuning(PTuningConfig config, boolean stored) {
        super(PTuningMethod.NAME, config.madeFor(), stored);
        this.config = config;
    }

    /**
     * {@return P-tuning with these settings}
     *
     * @param config the settings
     */
    public static PTuning of(PTuningConfig config) {
        return new PTuning(config, false);
    }

    @Override
    PromptEncoder encoder(CausalLM model, boolean trainable) {
        int tokens = config.virtualTokens();
        int width = width(model);
        int hidden = hidden(model);
        return switch (config.encoder()) {
            case MLP -> FeedForwardEncoder.pTuning(model, tokens, width, hidden, trainable);
            case LSTM ->
                new LstmEncoder(
                        model, tokens, width, hidden, config.encoderLayers(), config.encoderDropout(), trainable);
        };
    }

    private static int width(CausalLM model) {
        return (int) model.network().inputEmbedding().weight().size(1);
    }

    private int hidden(CausalLM model) {
        return config.encoderHiddenSize() == null ? width(model) : config.encoderHiddenSize();
    }

    @Override
    Map<String, @Nullable Object> configuration(CausalLM model) {
        return config.toJson(PromptKeys.ofEmbeddings(model), hidden(model));
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("num_virtual_tokens", config.virtualTokens());
        shown.put("encoder_reparameterization_type", config.encoder().name());
        return shown;
    }
}
