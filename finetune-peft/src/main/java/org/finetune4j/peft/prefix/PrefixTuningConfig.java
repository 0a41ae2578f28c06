package org.finetune4j.peft.prefix;

import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.peft.promptlearning.PromptInitialization;
import org.finetune4j.peft.promptlearning.PromptInitialization.Kind;
import org.finetune4j.peft.promptlearning.PromptKeys;
import org.finetune4j.peft.promptlearning.PromptKeys.Sizes;
import org.jspecify.annotations.Nullable;

/**
 * The settings of prefix tuning, with PEFT's names.
 *
 * @param virtualTokens length of the prefix
 * @param projection whether a small network makes the prefix while it trains
 * @param encoderHiddenSize width inside that network, or null for the width of one layer's keys
 * @param initialization what the prefix starts from
 * @param madeFor the base model of a stored adapter
 */
public record PrefixTuningConfig(
        int virtualTokens,
        boolean projection,
        @Nullable Integer encoderHiddenSize,
        PromptInitialization initialization,
        Sizes madeFor) {

    static final String PEFT_TYPE = "PREFIX_TUNING";

    private static final String PROJECTION = "prefix_projection";
    private static final String HIDDEN = "encoder_hidden_size";
    private static final String INIT = "init_weights";

    /**
     * Checks that the settings go together.
     *
     * @param virtualTokens length of the prefix
     * @param projection whether a small network makes the prefix while it trains
     * @param encoderHiddenSize width inside that network, or null for the width of one layer's keys
     * @param initialization what the prefix starts from
     * @param madeFor the base model of a stored adapter
     * @throws IllegalArgumentException when they do not
     */
    public PrefixTuningConfig {
        if (virtualTokens < 1) {
            throw new IllegalArgumentException("virtualTokens must be positive: " + virtualTokens);
        }
        boolean ofTokens = initialization.kind() == Kind.TEXT || initialization.kind() == Kind.SAMPLE_VOCAB;
        if (projection && ofTokens) {
            throw new IllegalArgumentException("a projected prefix cannot start from tokens");
        }
    }

    /**
     * {@return a prefix that starts from the activations of tokens drawn from the vocabulary}
     *
     * @param virtualTokens at least 1
     */
    public static PrefixTuningConfig of(int virtualTokens) {
        return new PrefixTuningConfig(virtualTokens, false, null, PromptInitialization.vocabulary(), Sizes.unknown());
    }

    /**
     * {@return a prefix that a network makes of random values}
     *
     * @param virtualTokens at least 1
     * @param encoderHiddenSize width inside the network, or null for the width of one layer's keys
     */
    public static PrefixTuningConfig projected(int virtualTokens, @Nullable Integer encoderHiddenSize) {
        return new PrefixTuningConfig(
                virtualTokens, true, encoderHiddenSize, PromptInitialization.random(), Sizes.unknown());
    }

    /**
     * {@return the same with another start}
     *
     * @param other what the prefix starts from
     */
    public PrefixTuningConfig startingFrom(PromptInitialization other) {
        return new PrefixTuningConfig(virtualTokens, projection, encoderHiddenSize, other, madeFor);
    }

    static PrefixTuningConfig from(Settings settings, boolean fromFile) {
        PromptKeys.refuseOthers(settings, PEFT_TYPE, List.of(PROJECTION, HIDDEN, INIT));
        boolean projection = settings.flag(PROJECTION, false);
        return new PrefixTuningConfig(
                PromptKeys.virtualTokens(settings),
                projection,
                settings.has(HIDDEN) ? settings.integer(HIDDEN, 1, 1, Settings.LARGEST_SIZE) : null,
                fromFile ? stored(settings) : initialization(settings, projection),
                fromFile ? Sizes.from(settings) : Sizes.unknown());
    }

    /** What a stored prefix started from no longer matters, but the file goes on saying it. */
    private static PromptInitialization stored(Settings settings) {
        return settings.has(INIT) ? PromptInitialization.zero() : PromptInitialization.random();
    }

    private static PromptInitialization initialization(Settings settings, boolean projection) {
        if (settings.has(INIT)) {
            if (!settings.requiredText(INIT).equals("zero")) {
                throw settings.invalid(INIT, "zero, or nothing");
            }
            return PromptInitialization.zero();
        }
        return projection
                ? PromptInitialization.from(settings, List.of(Kind.RANDOM, Kind.ZERO), Kind.RANDOM)
                : PromptInitialization.from(settings, List.of(Kind.values()), Kind.SAMPLE_VOCAB);
    }

    int hidden(PrefixShape shape) {
        return encoderHiddenSize == null ? shape.tokenDim() : encoderHiddenSize;
    }

    Map<String, @Nullable Object> toJson(PrefixShape shape) {
        Map<String, @Nullable Object> json = PromptKeys.toJson(PEFT_TYPE, virtualTokens, shape.sizes());
        json.put(PROJECTION, projection);
        json.put(HIDDEN, hidden(shape));
        json.put(INIT, initialization.kind() == Kind.ZERO ? "zero" : null);
        return json;
    }
}
