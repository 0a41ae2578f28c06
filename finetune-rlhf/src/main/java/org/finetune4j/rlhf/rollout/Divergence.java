package org.finetune4j.rlhf.rollout;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.rlhf.policy.KlEstimator;

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

    /** As the other one, for some of a step's answers. */
    static void report(double[][] policy, double[][] reference, StepStatistics statistics) {
        for (KlEstimator estimator : KlEstimator.values()) {
            double sum = Arrays.stream(sums(estimator, policy, reference)).sum();
            statistics.add(name(estimator), sum, policy.length);
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
