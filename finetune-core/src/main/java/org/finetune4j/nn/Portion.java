package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;

/**
 * What one process has of numbers that are drawn at random, where others have the rest: every process draws what a process with all of
 * it would, and takes its own.
 */
public interface Portion {

    /**
     * The shape of what there is in all.
     *
     * @param own shape of what is here
     * @return that shape, or {@code own} itself where others have the same
     */
    long[] whole(long[] own);

    /**
     * What is here.
     *
     * @param whole of the shape that {@link #whole} gave
     * @param own shape of what is here
     * @return of that shape
     */
    Tensor of(Tensor whole, long[] own);

    /**
     * Some rows of a batch.
     *
     * @param from the first one
     * @param rows how many
     * @param all of the batch
     * @return for tensors whose first dimension has rows, or the tokens of rows, one row after the other
     */
    static Portion ofRows(int from, int rows, int all) {
        return new Portion() {
            @Override
            public long[] whole(long[] own) {
                long[] whole = own.clone();
                whole[0] = own[0] / rows * all;
                return whole;
            }

            @Override
            public Tensor of(Tensor whole, long[] own) {
                return whole.narrow(0, own[0] / rows * from, own[0]);
            }
        };
    }

    /**
     * Some tokens of a batch, which lie in one row or are taken by themselves.
     *
     * @param tokens their places among all
     * @param all how many there are
     * @return for tensors [1, tokens, ...] of three dimensions and more, else [tokens, ...]
     */
    static Portion ofTokens(long[] tokens, long all) {
        return new Portion() {
            @Override
            public long[] whole(long[] own) {
                long[] whole = own.clone();
                whole[dimension(own)] = all;
                return whole;
            }

            @Override
            public Tensor of(Tensor whole, long[] own) {
                Tensor index = Tensors.of(tokens, tokens.length).to(whole.device());
                return whole.indexSelect(dimension(own), index);
            }

            private static int dimension(long[] own) {
                return own.length > 2 ? 1 : 0;
            }
        };
    }

    /**
     * Some features.
     *
     * @param slice of the last dimension
     * @return for tensors of which that one is divided
     */
    static Portion ofFeatures(AxisSlice slice) {
        return new Portion() {
            @Override
            public long[] whole(long[] own) {
                long[] whole = own.clone();
                whole[own.length - 1] = slice.whole();
                return whole;
            }

            @Override
            public Tensor of(Tensor whole, long[] own) {
                return slice.of(whole, own.length - 1);
            }
        };
    }
}
