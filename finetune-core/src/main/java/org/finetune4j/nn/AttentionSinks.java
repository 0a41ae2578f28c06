package org.finetune4j.nn;

import java.util.List;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Sinks of heads in attention's two ways: a score more in the softmax, or a key more for the fused kernel.
 *
 * @param scores in the order of the queries' heads, [1, heads, 1, 1], or [1, kvHeads, heads / kvHeads, 1] for one new token
 */
record AttentionSinks(Tensor scores) {

    /** How much longer heads become for their sinks: by what fused kernels want their size to be a multiple of. */
    static final int FEATURES = 8;

    /**
     * The sinks for some queries.
     *
     * @param sinks [heads]
     * @param like [batch, heads, seq, any], or [batch, kvHeads, heads / kvHeads, any] for one new token
     */
    static AttentionSinks of(Parameter sinks, Tensor like) {
        return new AttentionSinks(sinks.as(like.dtype()).reshape(1, like.size(1), -1, 1));
    }

    /** The softmax of scores [batch, heads, seq, keys], of which each sink takes its part. */
    Tensor shares(Tensor ofKeys) {
        Tensor sink = scores.expand(ofKeys.size(0), ofKeys.size(1), ofKeys.size(2), 1);
        return Tensors.cat(List.of(ofKeys, sink), 3) // [batch, heads, seq, keys + 1]
                .softmax(-1)
                .narrow(3, 0, ofKeys.size(3));
    }

    /**
     * The fused kernel over one key more, before all others, whose product with a query is the sink of its head and whose value is 0:
     * heads become longer, by numbers that are 0 in the other keys. Where tokens see what is before them a query more is before theirs, too.
     *
     * @param mask true where a query sees a key, [.., seq, keys], or null
     * @return [batch, heads, seq, headDim]
     */
    Tensor attend(Tensor q, Tensor k, Tensor v, @Nullable Tensor mask, boolean causal, double scale) {
        long headDim = v.size(3);
        Tensor one = Tensors.ones(k.dtype(), k.device(), 1, 1, 1, 1);
        Tensor queries = beside(q, scores.div(scale)); // [batch, heads, seq, headDim + 8]
        Tensor keys =
                after(beside(zeros(k, 1, headDim), one), beside(k, null)); // [batch, heads, keys + 1, headDim + 8]
        Tensor values = after(zeros(v, 1, headDim + FEATURES), beside(v, null));
        Tensor attended = Functional.scaledDotProductAttention(
                causal ? after(zeros(q, 1, headDim + FEATURES), queries) : queries,
                keys,
                values,
                mask == null ? null : withSink(mask),
                causal,
                scale);
        return attended.narrow(2, causal ? 1 : 0, q.size(2)).narrow(3, 0, headDim); // [batch, heads, seq, headDim]
    }

    private static Tensor after(Tensor first, Tensor rest) {
        return Tensors.cat(List.of(first, rest), 2);
    }

    /** Puts a number and zeros behind the features of every row, or zeros only. */
    private static Tensor beside(Tensor x, @Nullable Tensor number) {
        long rows = x.size(2);
        return number == null
                ? Tensors.cat(List.of(x, zeros(x, rows, FEATURES)), 3)
                : Tensors.cat(
                        List.of(x, number.expand(x.size(0), x.size(1), rows, 1), zeros(x, rows, FEATURES - 1)), 3);
    }

    private static Tensor zeros(Tensor like, long rows, long features) {
        return Tensors.zeros(like.dtype(), like.device(), like.size(0), like.size(1), rows, features);
    }

    /** Lets every query see the sink, which comes before the keys. */
    private static Tensor withSink(Tensor mask) {
        long[] shape = mask.shape();
        int last = shape.length - 1;
        shape[last] = 1;
        return Tensors.cat(List.of(Tensors.ones(mask.dtype(), mask.device(), shape), mask), last);
    }
}
