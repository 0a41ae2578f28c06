package org.finetune4j.peft.merge;

import java.util.Arrays;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.tensor.Tensor;

/** What every merging method asks of its inputs. */
final class Inputs {

    private Inputs() {}

    /** Refuses tensors of different shapes, and a number of weights that is not theirs. */
    static void check(List<Tensor> tensors, double[] weights) {
        if (tensors.isEmpty() || tensors.size() != weights.length) {
            throw new UserErrorException(
                    "merging needs one weight for each of " + tensors.size() + " ingredients, not " + weights.length);
        }
        for (Tensor tensor : tensors) {
            if (!Arrays.equals(tensor.shape(), tensors.get(0).shape())) {
                throw new UserErrorException("only tensors of one shape can be merged: "
                        + Arrays.toString(tensors.get(0).shape()) + " and " + Arrays.toString(tensor.shape()));
            }
        }
    }

    /**
     * Refuses factors that no tensor can be multiplied by.
     *
     * @param name of the setting
     * @param values its numbers
     * @throws UserErrorException when one is NaN, infinite or beyond float32
     */
    static void checkFactors(String name, double... values) {
        for (double value : values) {
            if (!(Math.abs(value) <= Float.MAX_VALUE)) {
                throw new UserErrorException(name + " is " + value + ", expected a number that float32 can hold");
            }
        }
    }

    /** Refuses a density outside (0, 1]. */
    static void checkDensity(double density) {
        if (!(density > 0 && density <= 1)) {
            throw new UserErrorException("density is " + density + ", expected a number above 0 and at most 1");
        }
    }
}
