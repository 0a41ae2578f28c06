package org.finetune4j.peft.prompt;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.promptlearning.PromptKeys;
import org.finetune4j.peft.promptlearning.PromptKeys.Sizes;
import org.jspecify.annotations.Nullable;

/**
 * The settings of P-tuning, with PEFT's names.
 *
 * @param virtualTokens length of the prompt
 * @param encoder what makes it while it trains
 * @param encoderHiddenSize width inside the encoder, or null for the model's
 * @param encoderLayers layers of the LSTM; the MLP always has three
 * @param encoderDropout between the layers of the LSTM
 * @param madeFor the base model of a stored adapter
 */
public record PTuningConfig(
        int virtualTokens,
        Encoder encoder,
        @Nullable Integer encoderHiddenSize,
        int encoderLayers,
        double encoderDropout,
        Sizes madeFor) {

    static final String PEFT_TYPE = "P_TUNING";

    private static final String ENCODER = "encoder_reparameterization_type";
    private static final String HIDDEN = "encoder_hidden_size";
    private static final String LAYERS = "encoder_num_layers";
    private static final String DROPOUT = "encoder_dropout";

    /** Kinds of encoders. */
    public enum Encoder {
        /** Three linear layers with ReLU. */
        MLP,
        /** An LSTM in both directions, then a small MLP. */
        LSTM
    }

    /**
     * Checks the numbers.
     *
     * @param virtualTokens length of the prompt
     * @param encoder what makes it while it trains
     * @param encoderHiddenSize width inside the encoder, or null for the model's
     * @param encoderLayers layers of the LSTM; the MLP always has three
     * @param encoderDropout between the layers of the LSTM
     * @param madeFor the base model of a stored adapter
     * @throws IllegalArgumentException when there are no virtual tokens or no layers
     */
    public PTuningConfig {
        if (virtualTokens < 1 || encoderLayers < 1) {
            throw new IllegalArgumentException("virtualTokens and encoderLayers must be positive");
        }
    }

    /**
     * {@return a prompt that an encoder of this kind makes}
     *
     * @param virtualTokens at least 1
     * @param encoder its kind
     * @param encoderHiddenSize width inside the encoder, or null for the model's
     */
    public static PTuningConfig of(int virtualTokens, Encoder encoder, @Nullable Integer encoderHiddenSize) {
        return new PTuningConfig(virtualTokens, encoder, encoderHiddenSize, 2, 0, Sizes.unknown());
    }

    static PTuningConfig from(Settings settings, boolean fromFile) {
        PromptKeys.refuseOthers(settings, PEFT_TYPE, List.of(ENCODER, HIDDEN, LAYERS, DROPOUT));
        return new PTuningConfig(
                PromptKeys.virtualTokens(settings),
                encoder(settings),
                settings.has(HIDDEN) ? settings.integer(HIDDEN, 1, 1, Settings.LARGEST_SIZE) : null,
                settings.integer(LAYERS, 2, 1, 1000),
                settings.number(DROPOUT, 0, 0, 0.999),
                fromFile ? Sizes.from(settings) : Sizes.unknown());
    }

    private static Encoder encoder(Settings settings) {
        String name = settings.text(ENCODER).orElse(Encoder.MLP.name()).toUpperCase(Locale.ROOT);
        for (Encoder encoder : Encoder.values()) {
            if (encoder.name().equals(name)) {
                return encoder;
            }
        }
        throw new UserErrorException(settings.origin() + ": '" + ENCODER + "' is " + name
                + Suggestions.didYouMean(name, List.of(Encoder.MLP.name(), Encoder.LSTM.name())));
    }

    Map<String, @Nullable Object> toJson(Sizes sizes, int hidden) {
        Map<String, @Nullable Object> json = PromptKeys.toJson(PEFT_TYPE, virtualTokens, sizes);
        json.put(ENCODER, encoder.name());
        json.put(HIDDEN, hidden);
        json.put(LAYERS, encoderLayers);
        json.put(DROPOUT, encoderDropout);
        return json;
    }
}
