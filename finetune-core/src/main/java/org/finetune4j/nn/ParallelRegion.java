package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/**
 * A stretch of a layer of which several processes calculate a share each (Shoeybi et al. 2019): they have the same input, and
 * their outputs are summands. Every process of the group calls the same methods in the same order.
 */
public interface ParallelRegion {

    /**
     * Takes what all processes have alike into the region.
     *
     * @param x the same in all processes
     * @return the same values; their gradient is the sum of all processes'
     */
    Tensor enter(Tensor x);

    /**
     * Brings the shares together.
     *
     * @param share this process's summand, which nothing else needs; its memory is used
     * @return the sum; each process's share has the sum's gradient
     */
    Tensor leave(Tensor share);
}
