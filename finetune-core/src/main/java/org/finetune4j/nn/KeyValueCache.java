package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/**
 * What tokens see besides the other tokens of their batch. How keys and values lie in memory is the cache's own business: all
 * together, every row apart, in pages; so is which of them a row has.
 */
public interface KeyValueCache {

    /**
     * Keys and values of some tokens, each [batch, seq, kvHeads, headDim].
     *
     * @param keys after the rotary embedding
     * @param values as the projection gave them
     */
    record KeyValues(Tensor keys, Tensor values) {}

    /**
     * How many tokens there are before those of the batch, in the row that has most.
     *
     * @return 0 for an empty cache
     */
    int length();

    /**
     * Whether something of it trains, so that a layer which reads it has gradients to pass on though nothing in it trains.
     *
     * @return false unless the cache says otherwise
     */
    default boolean isTrainable() {
        return false;
    }

    /**
     * Whether tokens come after others and are never gone back from: no pass is run again, which would have to give the same digits.
     *
     * @return false unless the cache says otherwise
     */
    default boolean isForDecoding() {
        return false;
    }

    /**
     * Lets the tokens of a batch attend to those of the cache and to each other.
     *
     * @param layer the number of the layer
     * @param query [batch, seq, heads, headDim], after the rotary embedding
     * @param keys [batch, seq, kvHeads, headDim], after the rotary embedding
     * @param values as {@code keys}
     * @param attention computes, over keys and values that lie together: see {@link Attention#over}
     * @param context which says what is seen, where the cache does not know that by itself
     * @return [batch, seq, heads * headDim], which belongs to the scope
     */
    Tensor attend(int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context);

    /**
     * The same before the rotary embedding, where there is one: a cache that can do it faster by itself does.
     *
     * @param layer the number of the layer
     * @param query [batch, seq, heads * headDim] or [batch, seq, heads, headDim]
     * @param keys [batch, seq, kvHeads * headDim] or [batch, seq, kvHeads, headDim]
     * @param values as {@code keys}
     * @param attention see {@link #attend}
     * @param context see {@link #attend}
     * @return [batch, seq, heads * headDim], which belongs to the scope
     */
    default Tensor rotateAndAttend(
            int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
        Attention.Heads heads = attention.rotated(query, keys, values, context);
        return attend(layer, heads.query(), heads.keys(), heads.values(), attention, context);
    }
}
