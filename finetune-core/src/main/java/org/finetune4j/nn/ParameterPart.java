package org.finetune4j.nn;

import java.util.Arrays;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

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

    /**
     * Other numbers in this part's place.
     *
     * @param local of the form that {@link ParameterValue#local} has: the whole, or [count] and what that is filled up with
     * @return the same place with these values
     */
    public ParameterPart withValues(Tensor local) {
        return isWhole() ? whole(local) : new ParameterPart(shape, offset, local.narrow(0, 0, values.numel()));
    }

    /**
     * Copies this part of a whole.
     *
     * @param local is filled; of the form that {@link #withValues} takes
     * @param whole of the whole's shape
     */
    public void fill(Tensor local, Tensor whole) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            if (isWhole()) {
                local.copyInPlace(whole);
            } else {
                Tensor own = whole.contiguous().view(-1).narrow(0, offset, values.numel());
                local.narrow(0, 0, values.numel()).copyInPlace(own);
            }
        }
    }

    /** {@return whether nothing is missing} */
    public boolean isWhole() {
        return Arrays.equals(shape, values.shape());
    }
}
