package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/**
 * Brings the parts of sharded values together. Every process of a group calls the same methods in the same order, and none
 * returns before the others have given what it needs. Parts are all of one length: the last ones are filled up with zeros.
 */
public interface ShardGatherer {

    /** {@return the number of this process in its group, from 0} */
    int rank();

    /** {@return how many processes the group has} */
    int ranks();

    /**
     * Gives every process the parts of all.
     *
     * @param part [length], this process's
     * @param whole [ranks * length] of the same type, filled with the parts in the order of the ranks
     */
    void allGather(Tensor part, Tensor whole);

    /**
     * Begins to gather, where that can go on while this process does something else.
     *
     * @param part as for {@link #allGather}
     * @param whole not to be touched before what is returned has been run
     * @return waits until the whole is there
     */
    default Runnable beginAllGather(Tensor part, Tensor whole) {
        allGather(part, whole);
        return () -> {};
    }

    /**
     * Adds up what all processes have, and gives each its part of the sum.
     *
     * @param whole [ranks * length], this process's summand
     * @param part [length] of the same type, filled with the sum
     */
    void reduceScatter(Tensor whole, Tensor part);
}
