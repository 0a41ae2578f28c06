package org.finetune4j.nn;

import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;

/**
 * The processes that share out the experts of a mixture, each with batches of its own: tokens travel to the process that has their
 * expert, and what it gives travels back (Lepikhin et al. 2020). Every process calls the same methods in the same order.
 */
public interface ExpertExchange {

    /** {@return the number of this process, from 0} */
    int rank();

    /** {@return how many processes share the experts out, each some that follow each other} */
    int ranks();

    /**
     * Tells the others how many tokens each expert is to get from this process.
     *
     * @param own by expert
     * @param device where the tokens are
     * @return what all processes said, in the order of the processes
     */
    long[] counts(long[] own, Device device);

    /**
     * Gives every process a part of what each has; the gradient takes the same way back.
     *
     * @param parts [ranks * length, hidden], part i for process i; made for this, its memory is used
     * @return of the same shape, the parts that came, in the order of the processes
     */
    Tensor exchange(Tensor parts);
}
