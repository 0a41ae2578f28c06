package org.finetune4j.nn;

import java.util.Map;
import java.util.function.Consumer;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What all layers of a model need to know about the sequences they are working on, made once per batch.
 *
 * @param positionIds [batch or 1, seq] int64
 * @param tokenTypeIds [batch, seq] int64, which of two texts a token belongs to, or null in a model that does not ask
 * @param views rotary embedding and mask for every kind of attention that the model's layers have
 * @param cache keys and values of earlier tokens, or null
 * @param routerListener is told how experts were chosen, or null
 * @param virtualEmbeddings [virtual, hidden], or [batch, virtual, hidden], vectors to put before the token embeddings of every
 *     row, or null; the other components count them in
 * @param rowGroups which rows use which of several adapters, or null where all rows use what the layers have
 * @param tokenScales how much a method's changes count for every token, or null where no method asks
 * @param dropout whether layers drop elements
 * @param weightBuffers where the pass decompresses weights, or null where each of them gets memory of its own
 * @param packedWeights copies of weights in the order in which products read them fastest, or null where there are none
 */
public record SequenceContext(
        Tensor positionIds,
        @Nullable Tensor tokenTypeIds,
        Map<AttentionKind, AttentionView> views,
        @Nullable KeyValueCache cache,
        @Nullable RouterListener routerListener,
        @Nullable Tensor virtualEmbeddings,
        @Nullable RowGroups rowGroups,
        @Nullable TokenScales tokenScales,
        Dropout dropout,
        @Nullable WeightBuffers weightBuffers,
        @Nullable PackedWeights packedWeights) {

    /**
     * The context of a causal model whose layers are all alike, without dropout.
     *
     * @param positionIds [rows, seq] int64
     * @param rotation of queries and keys, or null
     * @param mask which tokens are seen, or null for all before
     * @param cache keys and values of earlier tokens, or null
     */
    public SequenceContext(
            Tensor positionIds, @Nullable Rotation rotation, @Nullable Tensor mask, @Nullable KeyValueCache cache) {
        this(
                positionIds,
                null,
                Map.of(AttentionKind.FULL, new AttentionView(rotation, mask, true)),
                cache,
                null,
                null,
                null,
                null,
                Dropout.OFF,
                null,
                null);
    }

    /**
     * {@return what layers of this kind see}
     *
     * @param kind of the layer
     */
    public AttentionView view(AttentionKind kind) {
        AttentionView view = views.get(kind);
        if (view == null) {
            throw new IllegalStateException("this context was made for layers of " + views.keySet() + ", not " + kind);
        }
        return view;
    }

    /**
     * {@return the same context, which tells {@code listener} how experts are chosen}
     *
     * @param listener is told
     */
    public SequenceContext withRouterListener(RouterListener listener) {
        return with(change -> change.routerListener = listener);
    }

    /**
     * {@return the same context, whose layers hand their keys and values to {@code newCache}}
     *
     * @param newCache what they are handed to
     */
    public SequenceContext withCache(KeyValueCache newCache) {
        return with(change -> change.cache = newCache);
    }

    /**
     * {@return the same context with vectors before the token embeddings}
     *
     * @param embeddings [virtual, hidden] or [batch, virtual, hidden]
     */
    public SequenceContext withVirtualEmbeddings(Tensor embeddings) {
        return with(change -> change.virtualEmbeddings = embeddings);
    }

    /**
     * The same context for rows that use adapters of their own.
     *
     * @param newGroups which rows use which adapter
     * @return the context
     */
    public SequenceContext withRowGroups(RowGroups newGroups) {
        return with(change -> change.rowGroups = newGroups);
    }

    /**
     * The same context for layers that read how much a method's changes count for every token.
     *
     * @param newScales of the batch
     * @return the context
     */
    public SequenceContext withTokenScales(TokenScales newScales) {
        return with(change -> change.tokenScales = newScales);
    }

    /**
     * The same context for tokens by themselves, as those of an expert or those that have a label: what is known about the
     * batch's rows does not hold for them.
     *
     * @return the context
     */
    public SequenceContext withoutRows() {
        return with(change -> {
            change.rowGroups = null;
            change.tokenScales = null;
            change.dropout = dropout.byItself();
        });
    }

    /**
     * The same context with dropout on or off.
     *
     * @param newDropout whether layers drop elements
     * @return the context
     */
    public SequenceContext withDropout(Dropout newDropout) {
        return with(change -> change.dropout = newDropout);
    }

    /**
     * The same context for a pass that decompresses weights into buffers of its own.
     *
     * @param newBuffers the pass's
     * @return the context
     */
    public SequenceContext withWeightBuffers(WeightBuffers newBuffers) {
        return with(change -> change.weightBuffers = newBuffers);
    }

    /**
     * The same context for a pass that multiplies with packed weights, where there are some.
     *
     * @param newWeights what decoding keeps; null for none
     * @return the context
     */
    public SequenceContext withPackedWeights(@Nullable PackedWeights newWeights) {
        return with(change -> change.packedWeights = newWeights);
    }

    private SequenceContext with(Consumer<Change> change) {
        Change changed = new Change(this);
        change.accept(changed);
        return changed.done();
    }

    /** The components, one of which is about to be another. */
    private static final class Change {

        private final Tensor positionIds;
        private final @Nullable Tensor tokenTypeIds;
        private final Map<AttentionKind, AttentionView> views;
        private @Nullable KeyValueCache cache;
        private @Nullable RouterListener routerListener;
        private @Nullable Tensor virtualEmbeddings;
        private @Nullable RowGroups rowGroups;
        private @Nullable TokenScales tokenScales;
        private Dropout dropout;
        private @Nullable WeightBuffers weightBuffers;
        private @Nullable PackedWeights packedWeights;

        private Change(SequenceContext from) {
            positionIds = from.positionIds;
            tokenTypeIds = from.tokenTypeIds;
            views = from.views;
            cache = from.cache;
            routerListener = from.routerListener;
            virtualEmbeddings = from.virtualEmbeddings;
            rowGroups = from.rowGroups;
            tokenScales = from.tokenScales;
            dropout = from.dropout;
            weightBuffers = from.weightBuffers;
            packedWeights = from.packedWeights;
        }

        private SequenceContext done() {
            return new SequenceContext(
                    positionIds,
                    tokenTypeIds,
                    views,
                    cache,
                    routerListener,
                    virtualEmbeddings,
                    rowGroups,
                    tokenScales,
                    dropout,
                    weightBuffers,
                    packedWeights);
        }
    }
}
