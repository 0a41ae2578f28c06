package org.finetune4j.dist.tensor;

import org.finetune4j.nn.Portion;
import org.finetune4j.tensor.Tensor;

/**
 * A rank's heads, as many as every other rank's, in attention weights [batch, heads, seq, keys].
 *
 * @param rank from 0
 * @param ranks that share the heads
 */
record HeadPortion(int rank, int ranks) implements Portion {

    @Override
    public long[] whole(long[] own) {
        long[] whole = own.clone();
        whole[1] *= ranks;
        return whole;
    }

    @Override
    public Tensor of(Tensor whole, long[] own) {
        return whole.narrow(1, rank * own[1], own[1]);
    }
}
