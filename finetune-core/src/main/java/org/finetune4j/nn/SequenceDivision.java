package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/**
 * How the stream between the blocks of divided layers is divided by tokens (Korthikanti et al. 2022, sequence parallelism): each
 * process normalises, drops and adds up its own tokens. A block takes all tokens in and gives each process the sum of its own, which
 * together is what a sum for everybody would send. Every process calls the same methods in the same order, one pass at a time.
 */
public interface SequenceDivision extends ParallelRegion {

    /**
     * Says how many tokens the sequences of the layer that runs next have, for {@link #enter}.
     *
     * @param tokens of a row, virtual ones among them
     */
    void begin(long tokens);

    /**
     * The tokens of this process, of a stream that all have.
     *
     * @param whole [batch, seq, hidden]
     * @return [batch, own, hidden]; their gradients are brought together for everybody
     */
    Tensor take(Tensor whole);

    /**
     * Brings the stream together for what everybody does alike.
     *
     * @param own [batch, own, hidden]
     * @return [batch, seq, hidden]; each process takes the gradient of its own tokens
     */
    Tensor gather(Tensor own);

    /**
     * The tokens of all processes, for a block of which each calculates a share.
     *
     * @param own [batch, own, hidden]
     * @return [batch, seq, hidden]; gradients are summed, each process gets those of its own tokens
     */
    @Override
    Tensor enter(Tensor own);

    /**
     * The sum of the shares of a block.
     *
     * @param share [batch, seq, hidden], this process's summand
     * @return [batch, own, hidden]; its gradient is brought together for everybody
     */
    @Override
    Tensor leave(Tensor share);

    /**
     * What everybody does alike with what {@link #enter} gave.
     *
     * @param entered [..., hidden]
     * @return the same values; their gradient, which is the same in all processes, is counted once
     */
    Tensor alike(Tensor entered);

    /**
     * Where this process's tokens lie among all.
     *
     * @return for tensors of the shape [batch, own, hidden]; of others all processes have the same
     */
    Portion stream();

    /** {@return the region in which every process finds a summand of the gradient of weights that it uses for its own tokens} */
    ParallelRegion sums();
}
