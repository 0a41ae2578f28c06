package org.finetune4j.rlhf.verify;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.IntPredicate;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.verify.Check;
import org.finetune4j.verify.Tolerances;
import org.jspecify.annotations.Nullable;

/**
 * Compares what was recomputed with what was recorded, and tells of each.
 *
 * @param tolerances the limits for logits and parameters' gradients
 * @param sink is told
 */
record Comparison(Tolerances tolerances, Consumer<Check> sink) {

    /** The largest difference of a loss, an advantage, a reward. */
    static final double LOSS = 1e-5;

    /** What the rounding of float32 adds to a limit, relative to the number: some of its last digits. */
    private static final double ROUNDING = 1e-6;

    /** The largest difference of a gradient with respect to logits or log-probabilities. */
    static final double GRADIENT = 1e-6;

    /** Gives a number, or says why there is none. */
    interface Quantity {
        double value();
    }

    /** Runs what tells of one quantity or several; what cannot be computed is a mismatch. */
    void attempt(String name, Runnable work) {
        try (TensorScope scope = TensorScope.open()) {
            work.run();
        } catch (UserErrorException | IllegalArgumentException | IllegalStateException e) {
            failed(name, oneLine(e.getMessage()));
        } catch (IndexOutOfBoundsException | ArithmeticException | NegativeArraySizeException e) {
            failed(name, "what is recorded does not fit together: " + oneLine(e.getMessage()));
        }
    }

    private static String oneLine(@Nullable String message) {
        return String.valueOf(message).lines().findFirst().orElse("");
    }

    void failed(String name, String note) {
        sink.accept(Check.failed(name, note));
    }

    /** A number of {@code golden.json}. */
    void number(String name, JsonNode recorded, Quantity actual) {
        number(name, recorded, LOSS, actual);
    }

    /** A number of {@code golden.json}, with a limit of its own. */
    void number(String name, JsonNode recorded, double limit, Quantity actual) {
        attempt(name, () -> {
            if (!recorded.isNumber()) {
                throw new UserErrorException("the record is " + recorded + ", expected a number");
            }
            values(name, new double[] {actual.value()}, new double[] {recorded.asDouble()}, limit);
        });
    }

    void values(String name, double[] actual, double[] expected, double limit) {
        values(name, actual, expected, limit, i -> true);
    }

    /** @param counts which of the numbers mean something */
    void values(String name, double[] actual, double[] expected, double limit, IntPredicate counts) {
        if (actual.length != expected.length) {
            failed(name, actual.length + " numbers, " + expected.length + " are recorded");
            return;
        }
        double worst = 0;
        double worstLimit = limit;
        for (int i = 0; i < actual.length && !Double.isNaN(worst); i++) {
            if (counts.test(i)) {
                if (!Double.isFinite(expected[i])) {
                    failed(name, "the record has " + expected[i] + ", here it is " + actual[i]);
                    return;
                }
                double difference = Math.abs(actual[i] - expected[i]);
                double allowed = limit + ROUNDING * Math.abs(expected[i]);
                if (!(difference / allowed <= worst / worstLimit)) { // also where it is no number
                    worst = difference;
                    worstLimit = allowed;
                }
            }
        }
        sink.accept(Check.within(name, worst, worstLimit, ""));
    }

    /** Rows that are cut to their lengths, against a recorded matrix. */
    void rows(String name, double[][] actual, double[][] expected, double limit) {
        if (actual.length != expected.length) {
            failed(name, actual.length + " rows, " + expected.length + " are recorded");
            return;
        }
        for (int row = 0; row < actual.length; row++) {
            if (actual[row].length > expected[row].length) {
                failed(
                        name,
                        "row " + row + " has " + actual[row].length + " numbers, " + expected[row].length
                                + " are recorded");
                return;
            }
        }
        double[][] padded = new double[actual.length][];
        Arrays.setAll(padded, row -> Arrays.copyOf(actual[row], expected[row].length));
        values(
                name,
                Arrays.stream(padded).flatMapToDouble(Arrays::stream).toArray(),
                Arrays.stream(expected).flatMapToDouble(Arrays::stream).toArray(),
                limit);
    }

    /** A parameter's gradient, by the largest of its recorded values. */
    void gradient(String name, Tensor actual, Tensor expected, boolean isZero) {
        if (!Arrays.equals(actual.shape(), expected.shape())) {
            failed(
                    name,
                    "shape " + Arrays.toString(actual.shape()) + ", expected " + Arrays.toString(expected.shape()));
            return;
        }
        double difference =
                actual.to(expected.device()).sub(expected).abs().max().item();
        double limit = isZero
                ? tolerances.zeroGradient()
                : tolerances.gradient() * expected.abs().max().item() + 1e-7;
        sink.accept(Check.within(name, difference, limit, isZero ? "zero in exact arithmetic" : ""));
    }
}
