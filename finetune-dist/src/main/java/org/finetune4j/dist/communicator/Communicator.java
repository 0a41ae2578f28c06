package org.finetune4j.dist.communicator;

import org.finetune4j.tensor.Tensor;

/**
 * A group of ranks that exchange tensors. All ranks of a group call the same operations in the same order, with tensors of the
 * same types and lengths; send and receive are called by the two ranks that they concern. Tensors are contiguous, of any type.
 * Operations that return a {@link Pending} may go on in the background, one after the other.
 *
 * <p>Used by one thread at a time. When a rank fails, the others' operations end with a {@link CommunicationException} that says
 * which and why, no later than the timeout of the group.
 */
public interface Communicator extends AutoCloseable {

    /** {@return the number of this rank in its group, from 0} */
    int rank();

    /** {@return how many ranks the group has} */
    int size();

    /** {@return whether other ranks are threads of this process} */
    boolean sharesProcess();

    /**
     * Reduces the tensors of all ranks, element by element; each has the result in the place of its tensor.
     *
     * @param tensor [any], read and written
     * @param reduction how
     * @return the operation
     */
    Pending allReduce(Tensor tensor, Reduction reduction);

    /**
     * Reduces what all ranks have and gives each its part of the result.
     *
     * @param whole [size * length]
     * @param part [length], written; may be this rank's part of {@code whole}
     * @param reduction how
     * @return the operation
     */
    Pending reduceScatter(Tensor whole, Tensor part, Reduction reduction);

    /**
     * Gives every rank the parts of all.
     *
     * @param part [length]; may be this rank's part of {@code whole}
     * @param whole [size * length], written with the parts in the order of the ranks
     * @return the operation
     */
    Pending allGather(Tensor part, Tensor whole);

    /**
     * Gives every rank what one has.
     *
     * @param tensor [any], read at the root, written elsewhere
     * @param root the rank that has it
     * @return the operation
     */
    Pending broadcast(Tensor tensor, int root);

    /**
     * Gives every rank a part of what each has: part i of this rank's goes to rank i.
     *
     * @param from [size * length]
     * @param to [size * length], written with the parts that came, in the order of the ranks that sent them
     * @return the operation
     */
    Pending allToAll(Tensor from, Tensor to);

    /**
     * Sends a tensor to a rank, which receives it.
     *
     * @param tensor [any]
     * @param destination another rank
     * @return the operation
     */
    Pending send(Tensor tensor, int destination);

    /**
     * Receives a tensor that a rank sends. Messages between two ranks arrive in the order in which they were sent.
     *
     * @param tensor [any], of the type and length of what is sent; written
     * @param source another rank
     * @return the operation
     */
    Pending receive(Tensor tensor, int source);

    /** Waits until all ranks are here. */
    void barrier();

    /**
     * Makes groups of this one: ranks that name the same color are together. All ranks of this group call it.
     *
     * @param color which group, 0 or more
     * @param key ranks in the new group have the order of their keys, and of their present ranks where those are equal
     * @return the group of this rank, to be closed before this one
     */
    Communicator split(int color, int key);

    /**
     * Tells the others that this rank cannot go on, so that they end too.
     *
     * @param reason one line
     */
    void abort(String reason);

    /** {@return what this group has sent and received since it was made} */
    CommunicationVolume volume();

    /** Leaves the group. */
    @Override
    void close();
}
