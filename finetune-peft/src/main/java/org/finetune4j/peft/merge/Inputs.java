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

    /** Refuses a density outside (0, 1]. */
    static void checkDensity(double density) {
        if (!(density > 0 && density <= 1)) {
            throw new UserErrorException("density is " + density + ", expected a number above 0 and at most 1");
        }
    }
}
