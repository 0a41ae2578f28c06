package org.finetune4j.nn;

import java.util.Arrays;

/**
 * The rotation speeds of a rotary position embedding (Su et al. 2021): position p turns pair i by {@code p * values[i]}
 * radians. A scaling changes the speeds so that a model can read more tokens than it was first trained on.
 *
 * @param values one speed a pair, half as many as elements of a head are rotated
 * @param attentionFactor what rotated queries and keys are multiplied by, usually 1
 * @param interleaved whether pairs are neighbours, not elements of the two halves
 */
public record RotaryFrequencies(double[] values, double attentionFactor, boolean interleaved)
        implements RotaryEmbedding {

    /**
     * Speeds of pairs of elements of the two halves.
     *
     * @param values one speed a pair
     * @param attentionFactor what rotated queries and keys are multiplied by
     */
    public RotaryFrequencies(double[] values, double attentionFactor) {
        this(values, attentionFactor, false);
    }

    /**
     * {@code theta^(-2i / rotaryDim)}.
     *
     * @param rotaryDim elements of a head that are rotated
     * @param theta base of the speeds
     * @return the speeds
     */
    public static RotaryFrequencies standard(int rotaryDim, double theta) {
        double[] values = new double[rotaryDim / 2];
        for (int i = 0; i < values.length; i++) {
            values[i] = 1 / Math.pow(theta, 2.0 * i / rotaryDim);
        }
        return new RotaryFrequencies(values, 1);
    }

    @Override
    public RotaryFrequencies frequencies(int length) {
        return this;
    }

    @Override
    public RotaryFrequencies ofNeighbours() {
        return new RotaryFrequencies(values, attentionFactor, true);
    }

    /**
     * Position interpolation (Chen et al. 2023): all speeds divided by {@code factor}.
     *
     * @param factor at least 1
     * @return the new speeds
     */
    public RotaryFrequencies linear(double factor) {
        double[] factors = new double[values.length];
        Arrays.fill(factors, factor);
        return divided(factors, attentionFactor);
    }

    /**
     * Every speed divided by a number of its own.
     *
     * @param factors one for every speed
     * @param newAttentionFactor multiplies sine and cosine
     * @return the new speeds
     */
    public RotaryFrequencies divided(double[] factors, double newAttentionFactor) {
        double[] scaled = values.clone();
        for (int i = 0; i < scaled.length; i++) {
            scaled[i] /= factors[i];
        }
        return new RotaryFrequencies(scaled, newAttentionFactor);
    }

    /**
     * Llama 3.1's scaling: speeds whose wave is long against the original context are divided by {@code factor}, those whose
     * wave is short stay, and those between are mixed.
     *
     * @param factor at least 1
     * @param lowFrequencyFactor waves longer than the context divided by this are scaled
     * @param highFrequencyFactor waves shorter than the context divided by this stay
     * @param originalContext length in tokens that the model was trained with
     * @return the new speeds
     */
    public RotaryFrequencies llama3(
            double factor, double lowFrequencyFactor, double highFrequencyFactor, double originalContext) {
        double[] scaled = values.clone();
        for (int i = 0; i < scaled.length; i++) {
            double turns = originalContext * scaled[i] / (2 * Math.PI);
            double share = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor);
            double kept = Math.max(0, Math.min(1, share));
            scaled[i] = kept * scaled[i] + (1 - kept) * scaled[i] / factor;
        }
        return new RotaryFrequencies(scaled, attentionFactor);
    }

    /**
     * The settings of {@link #yarn}.
     *
     * @param factor how many times longer sequences get
     * @param originalContext the longest sequence of the training
     * @param betaFast pairs that turn more often than this within {@code originalContext} stay as they are
     * @param betaSlow pairs that turn less often are slowed down by the whole factor
     * @param truncate whether the bounds between those are rounded outwards to whole pairs
     */
    public record Yarn(double factor, double originalContext, double betaFast, double betaSlow, boolean truncate) {}

    /**
     * YaRN (Peng et al. 2023) for speeds made by {@link #standard} with the same base {@code theta}.
     *
     * @param settings YaRN's
     * @param theta base of the speeds
     * @param newAttentionFactor multiplies sine and cosine
     * @return the new speeds
     */
    public RotaryFrequencies yarn(Yarn settings, double theta, double newAttentionFactor) {
        int rotaryDim = 2 * values.length;
        double low = pairTurning(settings.betaFast, settings.originalContext, rotaryDim, theta);
        double high = pairTurning(settings.betaSlow, settings.originalContext, rotaryDim, theta);
        if (settings.truncate) {
            low = Math.floor(low);
            high = Math.ceil(high);
        }
        low = Math.max(low, 0);
        high = Math.min(high, rotaryDim - 1.0);
        if (low == high) {
            high += 0.001; // as the reference: the ramp between them must have a slope
        }
        double[] scaled = values.clone();
        for (int i = 0; i < scaled.length; i++) {
            double slowed = Math.max(0, Math.min(1, (i - low) / (high - low)));
            scaled[i] = scaled[i] / settings.factor * slowed + scaled[i] * (1 - slowed);
        }
        return new RotaryFrequencies(scaled, newAttentionFactor);
    }

    /** The (fractional) number of the pair that turns {@code turns} times within a context. */
    private static double pairTurning(double turns, double context, int rotaryDim, double theta) {
        return rotaryDim * Math.log(context / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
    }
}
