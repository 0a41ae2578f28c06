package org.finetune4j.nn;

import java.util.Arrays;
import org.finetune4j.tensor.Tensor;

/**
 * What one process holds of a parameter's values: consecutive ones, counted through the whole in row-major order.
 *
 * @param shape of the whole
 * @param offset number of the first value
 * @param values the whole itself, or [count]
 */
public record ParameterPart(long[] shape, long offset, Tensor values) {

    /**
     * All values.
     *
     * @param values of the whole's shape
     * @return the part that is the whole
     */
    public static ParameterPart whole(Tensor values) {
        return new ParameterPart(values.shape(), 0, values);
    }

    /** {@return whether nothing is missing} */
    public boolean isWhole() {
        return Arrays.equals(shape, values.shape());
    }
}
