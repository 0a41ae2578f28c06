package org.finetune4j.rlhf.policy;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The loss of the group methods: the clipped policy loss of every token with its answer's advantage, and {@code beta} times the
 * divergence from the reference.
 *
 * @param clip the range of the ratio; infinite for a plain policy gradient
 * @param level whether tokens or answers are compared with how they were drawn
 * @param beta what a nat of the divergence costs; 0 for none
 * @param estimator estimates the divergence
 */
public record GroupPolicyLoss(ClippedPolicyLoss clip, Level level, double beta, KlEstimator estimator) {

    /** What has a ratio of its own; TRL's {@code importance_sampling_level}. */
    public enum Level {
        /** Every token. */
        TOKEN,
        /** The answer, by the mean of its tokens' log-ratios (GSPO, Zheng et al. 2025, arXiv:2507.18071). */
        SEQUENCE,
        /** The answer, by the sum of its tokens' log-ratios (RLOO). */
        WHOLE_SEQUENCE
    }

    /**
     * One answer.
     *
     * @param now log-probabilities of its tokens
     * @param drawn those when it was drawn
     * @param reference the reference's; null where {@code beta} is 0
     * @param advantage how much better it was than expected
     */
    public record Answer(double[] now, double[] drawn, double @Nullable [] reference, double advantage) {}

    /**
     * The loss of one answer's tokens.
     *
     * @param sum of its tokens' losses
     * @param derivative of the sum, by each token's log-probability
     * @param clippedLow tokens whose ratio is below the range and not seen
     * @param clippedHigh tokens whose ratio is above the range and not seen
     * @param divergence the sum of its tokens' divergences from the reference; 0 where {@code beta} is 0
     */
    public record Value(double sum, double[] derivative, int clippedLow, int clippedHigh, double divergence) {}

    /**
     * How many of an answer's ratios were clipped.
     *
     * @param tokens of it whose ratio was
     * @return as many; of an answer that has one ratio, 1 or 0
     */
    public int clipped(int tokens) {
        return level == Level.TOKEN ? tokens : Math.min(1, tokens);
    }

    /**
     * How many ratios answers have together.
     *
     * @param lengths of the answers, in tokens
     * @return one a token, or one an answer
     */
    public int ratios(int[] lengths) {
        return level == Level.TOKEN ? Arrays.stream(lengths).sum() : lengths.length;
    }

    /**
     * The loss of one answer, to be weighted by its {@link LossAggregation}.
     *
     * @param answer with its log-probabilities
     * @return the sum over its tokens
     */
    public Value of(Answer answer) {
        Answers.requireSameLength(answer.now(), answer.drawn());
        return withPenalty(level == Level.TOKEN ? tokens(answer) : sequence(answer), answer);
    }

    private Value tokens(Answer answer) {
        double[] derivative = new double[answer.now().length];
        double sum = 0;
        int low = 0;
        int high = 0;
        for (int i = 0; i < derivative.length; i++) {
            ClippedPolicyLoss.Value token = clip.of(answer.now()[i] - answer.drawn()[i], answer.advantage());
            sum += token.loss();
            derivative[i] = token.derivative();
            low += token.clippedLow() ? 1 : 0;
            high += token.clippedHigh() ? 1 : 0;
        }
        return new Value(sum, derivative, low, high, 0);
    }

    /** Every token has the answer's loss, so their sum is that many times as large. */
    private Value sequence(Answer answer) {
        int length = answer.now().length;
        double logRatio = 0;
        for (int i = 0; i < length; i++) {
            logRatio += answer.now()[i] - answer.drawn()[i];
        }
        double share = level == Level.SEQUENCE ? 1.0 / Math.max(1, length) : 1;
        ClippedPolicyLoss.Value whole = clip.of(logRatio * share, answer.advantage());
        double[] derivative = new double[length];
        Arrays.fill(derivative, whole.derivative() * share * length);
        return new Value(
                whole.loss() * length,
                derivative,
                whole.clippedLow() ? length : 0,
                whole.clippedHigh() ? length : 0,
                0);
    }

    private Value withPenalty(Value policy, Answer answer) {
        double[] reference = answer.reference();
        if (beta == 0 || reference == null) {
            return policy;
        }
        Answers.requireSameLength(answer.now(), reference);
        double divergence = 0;
        double[] derivative = policy.derivative();
        for (int i = 0; i < derivative.length; i++) {
            divergence += estimator.of(answer.now()[i], reference[i]);
            derivative[i] += beta * estimator.derivative(answer.now()[i], reference[i]);
        }
        return new Value(
                policy.sum() + beta * divergence, derivative, policy.clippedLow(), policy.clippedHigh(), divergence);
    }
}
