package org.finetune4j.rlhf.rollout;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.rlhf.policy.KlEstimator;
import org.finetune4j.train.gradient.Average;

/** How far answers are from the reference, by every estimator. */
final class Divergence {

    private Divergence() {}

    /** Adds the mean over answers of the sum over their tokens, in nats, as {@code kl/k1}, {@code kl/k2} and {@code kl/k3}. */
    static void report(double[][] policy, double[][] reference, Map<String, Double> metrics) {
        for (KlEstimator estimator : KlEstimator.values()) {
            metrics.put(
                    name(estimator),
                    Arrays.stream(sums(estimator, policy, reference)).average().orElse(0));
        }
    }

    /** As {@link #report}, for some of a step's answers. */
    static void average(double[][] policy, double[][] reference, Map<String, Average> metrics) {
        for (KlEstimator estimator : KlEstimator.values()) {
            metrics.put(name(estimator), Average.of(sums(estimator, policy, reference)));
        }
    }

    private static String name(KlEstimator estimator) {
        return "kl/" + estimator.name().toLowerCase(Locale.ROOT);
    }

    /** One number an answer. */
    static double[] sums(KlEstimator estimator, double[][] policy, double[][] reference) {
        double[] sums = new double[policy.length];
        Arrays.setAll(
                sums, i -> Arrays.stream(estimator.of(policy[i], reference[i])).sum());
        return sums;
    }
}
