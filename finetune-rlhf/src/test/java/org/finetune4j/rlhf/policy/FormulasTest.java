package org.finetune4j.rlhf.policy;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What holds of the formulas whatever the numbers. */
class FormulasTest {

    private final SplittableRandom random = new SplittableRandom(7);

    private double[] numbers(int count) {
        return random.doubles(count, -2, 2).toArray();
    }

    private static double difference(DoubleUnaryOperator function, double at) {
        double step = 1e-6;
        return (function.applyAsDouble(at + step) - function.applyAsDouble(at - step)) / (2 * step);
    }

    @ParameterizedTest
    @EnumSource
    void aDivergenceIsZeroAtTheReferenceAndItsDerivativeTheSlope(KlEstimator estimator) {
        assertEquals(0, estimator.of(-1.5, -1.5));
        for (double policy : numbers(20)) {
            assertEquals(difference(at -> estimator.of(at, -0.3), policy), estimator.derivative(policy, -0.3), 1e-6);
        }
    }

    /** As TRL counts them: by tokens, or by answers where each has one ratio. */
    @Test
    void clippedRatiosAreCountedByWhatHasARatio() {
        ClippedPolicyLoss clip = ClippedPolicyLoss.of(0.2);
        double[] drawn = new double[3];
        double[] far = {1, 1, 1};
        GroupPolicyLoss.Answer answer = new GroupPolicyLoss.Answer(far, drawn, null, 1);
        int[] lengths = {3, 5};
        GroupPolicyLoss tokens = new GroupPolicyLoss(clip, GroupPolicyLoss.Level.TOKEN, 0, KlEstimator.K3);
        assertEquals(3, tokens.clipped(tokens.of(answer).clippedHigh()));
        assertEquals(8, tokens.ratios(lengths));
        GroupPolicyLoss answers = new GroupPolicyLoss(clip, GroupPolicyLoss.Level.SEQUENCE, 0, KlEstimator.K3);
        assertEquals(1, answers.clipped(answers.of(answer).clippedHigh()));
        assertEquals(0, answers.clipped(answers.of(answer).clippedLow()));
        assertEquals(2, answers.ratios(lengths));
    }

    @Test
    void theEstimatesOfManyTokensAgreeWhereThePolicyIsNearTheReference() {
        double[] policy = {Math.log(0.5), Math.log(0.5)};
        double[] reference = {Math.log(0.45), Math.log(0.55)};
        double exact = 0.5 * (policy[0] - reference[0]) + 0.5 * (policy[1] - reference[1]);
        for (KlEstimator estimator : KlEstimator.values()) {
            double mean =
                    Arrays.stream(estimator.of(policy, reference)).average().orElseThrow();
            assertEquals(exact, mean, estimator == KlEstimator.K2 ? 1e-4 : 1e-12);
        }
    }

    @Test
    void withLambdaOneAnAdvantageIsWhatCameLessWhatWasExpected() {
        double[] rewards = numbers(6);
        double[] values = numbers(6);
        double[] advantages = new GeneralizedAdvantage(1, 1).advantages(rewards, values);
        double toCome = 0;
        for (int t = 5; t >= 0; t--) {
            toCome += rewards[t];
            assertEquals(toCome - values[t], advantages[t], 1e-12);
        }
    }

    @Test
    void whitenedNumbersHaveMeanZeroAndVarianceOne() {
        double[] all = Arrays.stream(Whitening.of(new double[][] {numbers(5), numbers(1), numbers(9)}))
                .flatMapToDouble(Arrays::stream)
                .toArray();
        assertEquals(0, Statistics.of(all).mean(), 1e-12);
        assertEquals(1, Statistics.of(all).variance(), 1e-6);
    }

    @Test
    void theSlopeOfTheClippedPolicyLossIsItsDerivative() {
        ClippedPolicyLoss loss = new ClippedPolicyLoss(0.2, 0.28);
        for (double ratio : numbers(40)) {
            for (double advantage : new double[] {-1.3, 0, 0.7}) {
                assertEquals(
                        difference(at -> loss.of(at, advantage).loss(), ratio),
                        loss.of(ratio, advantage).derivative(),
                        1e-5);
            }
        }
    }

    @Test
    void withoutARangeTheClippedPolicyLossAtTheDrawIsThePlainPolicyGradient() {
        ClippedPolicyLoss loss = ClippedPolicyLoss.of(Double.POSITIVE_INFINITY);
        assertEquals(-0.7, loss.of(0, 0.7).derivative());
        assertEquals(-Math.exp(3) * 0.7, loss.of(3, 0.7).loss(), 1e-12);
        assertEquals(-Math.exp(-3) * -0.7, loss.of(-3, -0.7).loss(), 1e-12);
    }

    @Test
    void theSlopeOfTheClippedValueLossIsItsDerivative() {
        ClippedValueLoss loss = new ClippedValueLoss(0.3);
        for (double estimate : numbers(40)) {
            assertEquals(
                    difference(at -> loss.of(at, 0.1, -0.4).loss(), estimate),
                    loss.of(estimate, 0.1, -0.4).derivative(),
                    1e-5);
        }
    }

    @ParameterizedTest
    @EnumSource
    void theSlopeOfAGroupsLossIsItsDerivative(GroupPolicyLoss.Level level) {
        GroupPolicyLoss loss = new GroupPolicyLoss(ClippedPolicyLoss.of(0.2), level, 0.1, KlEstimator.K3);
        double[] now = {-1.0, -2.0, -0.5};
        double[] drawn = {-1.05, -1.98, -0.48};
        double[] reference = {-1.4, -1.9, -0.9};
        double[] derivative =
                loss.of(new GroupPolicyLoss.Answer(now, drawn, reference, 0.6)).derivative();
        for (int t = 0; t < now.length; t++) {
            int token = t;
            double slope = difference(
                    at -> {
                        double[] moved = now.clone();
                        moved[token] = at;
                        return loss.of(new GroupPolicyLoss.Answer(moved, drawn, reference, 0.6))
                                .sum();
                    },
                    now[t]);
            assertEquals(slope, derivative[t], 1e-6);
        }
    }

    @Test
    void aGroupOfOneWithABaselineIsReinforce() {
        double[] now = {-1.0, -2.0};
        double reward = 1.7;
        double baseline = 0.4;
        GroupPolicyLoss loss = new GroupPolicyLoss(
                ClippedPolicyLoss.of(Double.POSITIVE_INFINITY), GroupPolicyLoss.Level.TOKEN, 0, KlEstimator.K3);
        GroupPolicyLoss.Value value = loss.of(new GroupPolicyLoss.Answer(now, now, null, reward - baseline));
        assertArrayEquals(new double[] {-(reward - baseline), -(reward - baseline)}, value.derivative(), 1e-12);
    }

    @ParameterizedTest
    @EnumSource
    void advantagesOfAGroupSumToZeroAndKeepTheOrder(GroupAdvantages kind) {
        double[] rewards = {0.1, 0.9, 0.4, 0.2};
        double[] advantages = kind.of(rewards, 4);
        assertEquals(0, Arrays.stream(advantages).sum(), 1e-12);
        assertTrue(advantages[1] > advantages[2] && advantages[2] > advantages[3] && advantages[3] > advantages[0]);
    }

    @ParameterizedTest
    @EnumSource
    void aSingleAnswerHasNoOthersToBeBetterThan(GroupAdvantages kind) {
        assertArrayEquals(new double[] {0}, kind.of(new double[] {3}, 1));
    }

    @Test
    void theAdaptiveCoefficientMovesTowardsItsTargetAndNeverFarAtOnce() {
        KlCoefficient adaptive = new KlCoefficient.Adaptive(0.2, 6, 1000);
        assertEquals(0.2 * (1 + 0.2 * 64 / 1000), adaptive.next(0.2, 100, 64), 1e-12);
        assertEquals(0.2 * (1 - 0.2 * 64 / 1000), adaptive.next(0.2, -5, 64), 1e-12);
        assertEquals(0.2, adaptive.next(0.2, 6, 64), 1e-12);
        assertEquals(0.05, new KlCoefficient.Fixed(0.05).next(0.05, 100, 64));
    }

    @Test
    void scoresAreNormalisedHeldAndPunishedForAMissingEnd() {
        double[] scores = {1, 2, 3, 14};
        RunningStatistics seen = RunningStatistics.NONE.with(scores);
        double[] shaped = new ScoreShaping(1, true, 1).of(scores, new boolean[] {true, true, false, true}, seen);
        double deviation = Statistics.of(scores).deviation();
        assertArrayEquals(
                new double[] {(1 - 5) / deviation, (2 - 5) / deviation, (3 - 5) / deviation - 1, 1}, shaped, 1e-7);
        assertArrayEquals(scores, ScoreShaping.NONE.of(scores, new boolean[4], seen));
    }

    @Test
    void runningStatisticsAreThoseOfAllNumbers() {
        double[] first = numbers(5);
        double[] second = numbers(8);
        double[] all = Arrays.copyOf(first, 13);
        System.arraycopy(second, 0, all, 5, 8);
        RunningStatistics running =
                RunningStatistics.NONE.with(first).with(second).with(new double[0]);
        assertEquals(Statistics.of(all).mean(), running.mean(), 1e-12);
        assertEquals(Statistics.of(all).deviation(), running.deviation(), 1e-12);
    }
}
