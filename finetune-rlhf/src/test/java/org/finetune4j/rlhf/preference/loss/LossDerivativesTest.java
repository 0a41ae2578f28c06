package org.finetune4j.rlhf.preference.loss;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every loss is finite wherever answers may lie, and its derivative is what the loss does. */
class LossDerivativesTest {

    private static final double STEP = 1e-5;

    static Stream<PairLoss> pairLosses() {
        return Stream.concat(
                PairLosses.NAMES.stream().map(name -> PairLosses.named(name, 0.3, 0.2)),
                Stream.of(
                        new OddsRatioLoss(0.3),
                        new SimPoLoss(2, 1, 0),
                        new SimPoLoss(0.5, -0.3, 0.2),
                        new DivergenceLoss(new SigmoidLoss(0.3), new Divergence.JensenShannon()),
                        new DivergenceLoss(new SigmoidLoss(0.3), new Divergence.Alpha(0.9)),
                        new DivergenceLoss(new SigmoidLoss(0.3), new Divergence.Alpha(1.1))));
    }

    static Stream<UnpairedLoss> unpairedLosses() {
        return Stream.of(new KtoLoss(0.3, 1, 1.5), new ApoZeroUnpairedLoss(0.3, 0.7, 1));
    }

    private static Answer answer(Random random) {
        return new Answer(-40 * random.nextDouble() - 0.1, -40 * random.nextDouble(), 1 + random.nextInt(9));
    }

    private static Answer moved(Answer answer, double by) {
        return new Answer(answer.logprob() + by, answer.reference(), answer.tokens());
    }

    private static void assertSlope(double derivative, DoubleUnaryOperator loss) {
        double expected = (loss.applyAsDouble(STEP) - loss.applyAsDouble(-STEP)) / (2 * STEP);
        assertEquals(expected, derivative, 1e-6 + 1e-6 * Math.abs(expected));
    }

    @ParameterizedTest
    @MethodSource("pairLosses")
    void derivativesOfPairsAreFiniteDifferences(PairLoss loss) {
        Random random = new Random(7);
        for (int i = 0; i < 50; i++) {
            // Without a reference averages are log-probabilities, which are below 0.
            Answer chosen = loss.averages() ? withoutReference(answer(random)) : answer(random);
            Answer rejected = loss.averages() ? withoutReference(answer(random)) : answer(random);
            PairLoss.Value value = loss.of(chosen, rejected);
            assertSlope(
                    value.chosen(), by -> loss.of(moved(chosen, by), rejected).loss());
            assertSlope(
                    value.rejected(), by -> loss.of(chosen, moved(rejected, by)).loss());
        }
    }

    private static Answer withoutReference(Answer answer) {
        return new Answer(answer.logprob(), 0, answer.tokens());
    }

    @ParameterizedTest
    @MethodSource("unpairedLosses")
    void derivativesOfJudgedAnswersAreFiniteDifferences(UnpairedLoss loss) {
        Random random = new Random(8);
        for (int i = 0; i < 50; i++) {
            Answer answer = answer(random);
            boolean desirable = random.nextBoolean();
            double divergence = 3 * random.nextDouble();
            assertSlope(
                    loss.of(answer, desirable, divergence).derivative(),
                    by -> loss.of(moved(answer, by), desirable, divergence).loss());
        }
    }

    @ParameterizedTest
    @MethodSource("pairLosses")
    void answersOfAnyLengthGiveNumbers(PairLoss loss) {
        List<Answer> extremes = List.of(
                new Answer(-1e5, 0, 3), new Answer(0, 0, 1), new Answer(-1e-12, 0, 2000), new Answer(-1e4, 0, 5000));
        for (Answer chosen : extremes) {
            for (Answer rejected : extremes) {
                PairLoss.Value value = loss.of(chosen, rejected);
                assertTrue(
                        Double.isFinite(value.loss())
                                && Double.isFinite(value.chosen())
                                && Double.isFinite(value.rejected()),
                        () -> chosen + " " + rejected + " " + value);
            }
        }
    }

    /** Its exponential is too large for a number where its share is none: the limit is the logistic part alone. */
    @Test
    void discopopIsTheLogisticLossFarBelowTheReference() {
        PairLoss loss = new DivergenceLoss(new DiscopopLoss(0.1, 0.05), new Divergence.ForwardKl());
        PairLoss.Value value = loss.of(new Answer(-20, -10, 4), new Answer(-10, -10, 4));
        assertEquals(0.1 * (Math.exp(10) - 1), value.loss(), 1e-9);
        assertEquals(-0.1 * Math.exp(10), value.chosen(), 1e-9);
        assertEquals(0.1, value.rejected(), 1e-9);
    }

    @Test
    void aChosenAnswerThatBecomesLikelierCostsLess() {
        Answer rejected = new Answer(-12, -10, 4);
        for (String name : List.of("sigmoid", "hinge", "robust", "cdpo", "apo_zero", "bco_pair", "sigmoid_norm")) {
            PairLoss loss = PairLosses.named(name, 0.1, 0.1);
            assertTrue(
                    loss.of(new Answer(-9, -10, 4), rejected).loss()
                            < loss.of(new Answer(-11, -10, 4), rejected).loss(),
                    name);
        }
    }

    @Test
    void conservativeAndRobustLossesWithoutSmoothingAreTheSigmoid() {
        Answer chosen = new Answer(-9, -10, 4);
        Answer rejected = new Answer(-12, -10, 4);
        PairLoss.Value expected = new SigmoidLoss(0.1).of(chosen, rejected);
        assertEquals(
                expected.loss(),
                new ConservativeLoss(0.1, 0).of(chosen, rejected).loss(),
                1e-12);
        assertEquals(
                expected.chosen(), new RobustLoss(0.1, 0).of(chosen, rejected).chosen(), 1e-12);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
    void aBetaThatMeansNothingIsRefused(double beta) {
        for (String name : PairLosses.NAMES) {
            assertThrows(UserErrorException.class, () -> PairLosses.named(name, beta, 0.1), name);
        }
        assertThrows(UserErrorException.class, () -> new KtoLoss(beta, 1, 1));
    }

    @Test
    void smoothingOutOfItsRangeIsRefusedAndAMisspeltLossNamesTheNearest() {
        assertThrows(UserErrorException.class, () -> PairLosses.named("robust", 0.1, 0.5));
        assertThrows(UserErrorException.class, () -> PairLosses.named("exo_pair", 0.1, 0));
        assertThrows(UserErrorException.class, () -> PairLosses.named("cdpo", 0.1, -0.1));
        String message = assertThrows(UserErrorException.class, () -> PairLosses.named("sigmoidd", 0.1, 0))
                .getMessage();
        assertTrue(message != null && message.contains("sigmoid"), message);
    }
}
