package org.finetune4j.nn;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/** What one process holds of one dimension of tensors that several processes hold together. */
public interface AxisSlice {

    /** {@return the dimension's length in the checkpoint} */
    long whole();

    /** {@return the length of this process's slice, 0 or more} */
    long length();

    /**
     * Whether this process is the first of those that hold this slice.
     *
     * @return false where an earlier one has the same
     */
    boolean isFirst();

    /** {@return how many processes hold this slice} */
    int copies();

    /**
     * Cuts this process's slice out.
     *
     * @param tensor with the whole dimension
     * @param dimension which one
     * @return a view where the slice is in one piece
     */
    Tensor of(Tensor tensor, int dimension);

    /**
     * Brings the slices of all processes together: where one asks for the whole, the others have to help.
     *
     * @param parameter whose values they are
     * @param dimension which one
     * @param dtype the type wanted
     * @return with the whole dimension, without history
     */
    Tensor gather(Parameter parameter, int dimension, DType dtype);

    /**
     * Adds up what every process has found for its slice: all have to ask for it at the same time, those with nothing too.
     *
     * @param tensor of the same shape everywhere; read and written, no history is made
     */
    void sum(Tensor tensor);

    /** {@return the region in which the processes use their slices} */
    ParallelRegion region();
}
