package org.finetune4j.train.gradient;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a language model is trained to make small, besides the cross entropy of the next token. For one token with scores
 * {@code s} over V words and target t, {@code p = softmax(s)}:
 *
 * <pre>
 * loss = -(1 - e) log p[t] - e / V * sum over v of log p[v] + z * logsumexp(s)^2
 * </pre>
 *
 * @param labelSmoothing e, the share of the target that goes to all words alike (Szegedy et al. 2016), as transformers'
 *     Trainer does it
 * @param zLoss z, keeps scores from drifting away (Chowdhery et al. 2022, PaLM, with 1e-4)
 */
public record LossOptions(double labelSmoothing, double zLoss) {

    private static final LossOptions CROSS_ENTROPY = new LossOptions(0, 0);

    /**
     * Checks the numbers.
     *
     * @param labelSmoothing e, the share of the target that goes to all words alike (Szegedy et al. 2016), as transformers'
     *     Trainer does it
     * @param zLoss z, keeps scores from drifting away (Chowdhery et al. 2022, PaLM, with 1e-4)
     * @throws IllegalArgumentException when {@code labelSmoothing} is not from 0 to below 1, or {@code zLoss} is negative
     */
    public LossOptions {
        if (!(labelSmoothing >= 0 && labelSmoothing < 1)) {
            throw new IllegalArgumentException("labelSmoothing must be at least 0 and below 1: " + labelSmoothing);
        }
        if (!(zLoss >= 0)) {
            throw new IllegalArgumentException("zLoss must not be negative: " + zLoss);
        }
    }

    /**
     * Cross entropy alone.
     *
     * @return the options
     */
    public static LossOptions crossEntropy() {
        return CROSS_ENTROPY;
    }

    /**
     * Adds what is not the default, under the names of configurations.
     *
     * @param shown the configuration to add to
     */
    public void describe(Map<String, @Nullable Object> shown) {
        if (labelSmoothing > 0) {
            shown.put("label_smoothing_factor", labelSmoothing);
        }
        if (zLoss > 0) {
            shown.put("z_loss", zLoss);
        }
    }
}
