package org.finetune4j.nn;

/**
 * The rotation speeds of a rotary position embedding (Su et al. 2021): position p turns pair i by {@code p * values[i]}
 * radians. A scaling changes the speeds so that a model can read more tokens than it was first trained on.
 *
 * @param values one speed a pair, headDim / 2 of them
 */
public record RotaryFrequencies(double[] values) {

    /** {@code theta^(-2i / headDim)}. */
    public static RotaryFrequencies standard(int headDim, double theta) {
        double[] values = new double[headDim / 2];
        for (int i = 0; i < values.length; i++) {
            values[i] = 1 / Math.pow(theta, 2.0 * i / headDim);
        }
        return new RotaryFrequencies(values);
    }

    /** Position interpolation (Chen et al. 2023): all speeds divided by {@code factor}. */
    public RotaryFrequencies linear(double factor) {
        double[] scaled = values.clone();
        for (int i = 0; i < scaled.length; i++) {
            scaled[i] /= factor;
        }
        return new RotaryFrequencies(scaled);
    }

    /**
     * Llama 3.1's scaling: speeds whose wave is long against the original context are divided by {@code factor}, those
     * whose wave is short stay, and those between are mixed.
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
        return new RotaryFrequencies(scaled);
    }
}
