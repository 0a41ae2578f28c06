package org.finetune4j.nn;

import org.finetune4j.nn.KeyValueCache.KeyValues;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/**
 * Scaled dot-product attention with grouped heads (Vaswani et al. 2017, Ainslie et al. 2023), apart from the projections
 * around it.
 *
 * @param heads number of query heads
 * @param kvHeads number of key and value heads, which divides {@code heads}
 * @param headDim size of a head
 * @param scale what the products are multiplied by, usually {@code 1 / sqrt(headDim)}
 * @param dropout share of the attention weights dropped in training
 */
public record Attention(int heads, int kvHeads, int headDim, double scale, double dropout) {

    /**
     * Lets every token attend to those that the context permits.
     *
     * @param query [batch, seq, heads * headDim]
     * @param key [batch, seq, kvHeads * headDim]
     * @param value [batch, seq, kvHeads * headDim]
     * @param layer the number of the layer, for the cache
     * @return [batch, seq, heads * headDim]
     */
    public Tensor forward(Tensor query, Tensor key, Tensor value, int layer, SequenceContext context) {
        long batch = query.size(0);
        long seq = query.size(1);
        Tensor q = query.view(batch, seq, heads, headDim); // [batch, seq, heads, headDim]
        Tensor k = key.view(batch, seq, kvHeads, headDim); // [batch, seq, kvHeads, headDim]
        Tensor v = value.view(batch, seq, kvHeads, headDim);
        Rotation rotation = context.rotation();
        if (rotation != null) {
            q = rotation.apply(q);
            k = rotation.apply(k);
        }
        KeyValueCache cache = context.cache();
        if (cache != null) {
            KeyValues all = cache.append(layer, k, v); // [batch, keys, kvHeads, headDim]
            k = all.keys();
            v = all.values();
        }
        boolean causal = context.mask() == null && seq > 1;
        Tensor attended = Functional.scaledDotProductAttention(
                q.transpose(1, 2), // [batch, heads, seq, headDim]
                perQueryHead(k).transpose(1, 2), // [batch, heads, keys, headDim]
                perQueryHead(v).transpose(1, 2),
                context.mask(),
                Dropout.probability(dropout),
                causal,
                scale);
        return attended.transpose(1, 2).reshape(batch, seq, (long) heads * headDim); // [batch, seq, heads * headDim]
    }

    /** Repeats each key or value head for the query heads that share it: libtorch's fused CPU kernel needs as many. */
    private Tensor perQueryHead(Tensor x) {
        if (heads == kvHeads) {
            return x;
        }
        long batch = x.size(0);
        long keys = x.size(1);
        return x.unsqueeze(3) // [batch, keys, kvHeads, 1, headDim]
                .expand(batch, keys, kvHeads, heads / kvHeads, headDim)
                .reshape(batch, keys, heads, headDim); // [batch, keys, heads, headDim]
    }
}
