package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/**
 * Which part of a tensor of the checkpoint a parameter is.
 *
 * @param dimension the one that is divided
 * @param axis how
 */
public record ParameterSlice(int dimension, AxisSlice axis) {

    /**
     * The tensor's shape in the checkpoint.
     *
     * @param own the parameter's
     * @return another array
     */
    public long[] wholeShape(long[] own) {
        long[] shape = own.clone();
        shape[dimension] = axis.whole();
        return shape;
    }

    /**
     * Cuts the parameter's part out.
     *
     * @param whole the checkpoint's tensor
     * @return a view where it is in one piece
     */
    public Tensor of(Tensor whole) {
        return axis.of(whole, dimension);
    }
}
