package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Scaled dot-product attention with grouped heads (Vaswani et al. 2017, Ainslie et al. 2023), apart from the projections
 * around it.
 *
 * @param heads number of query heads
 * @param kvHeads number of key and value heads, which divides {@code heads}
 * @param headDim size of a head
 * @param scale what the products are multiplied by, usually {@code 1 / sqrt(headDim)}
 * @param dropout share of the attention weights dropped in training
 * @param kind which tokens are seen
 * @param softCap the scores s become {@code softCap * tanh(s / softCap)} (Gemma team 2024); 0 leaves them alone
 * @param rotates whether queries and keys are rotated where the model has a rotary embedding; some models leave it out of some
 *     layers (Yang et al. 2025, arXiv:2501.18795)
 * @param sinks [heads], a score of every head beside those of the keys, which takes its share of the attention weights and gives nothing
 *     for it (Xiao et al. 2024, arXiv:2309.17453); or null
 */
public record Attention(
        int heads,
        int kvHeads,
        int headDim,
        double scale,
        double dropout,
        AttentionKind kind,
        double softCap,
        boolean rotates,
        @Nullable Parameter sinks) {

    /**
     * Attention to all tokens, without a cap.
     *
     * @param heads of queries
     * @param kvHeads of keys and values
     * @param headDim size of a head
     * @param scale factor of the scores
     * @param dropout share of the probabilities dropped in training
     */
    public Attention(int heads, int kvHeads, int headDim, double scale, double dropout) {
        this(heads, kvHeads, headDim, scale, dropout, AttentionKind.FULL, 0, true, null);
    }

    /**
     * {@return the same for layers of another kind}
     *
     * @param newKind which tokens are seen
     */
    public Attention withKind(AttentionKind newKind) {
        return new Attention(heads, kvHeads, headDim, scale, dropout, newKind, softCap, rotates, sinks);
    }

    /**
     * {@return the same with scores multiplied by {@code newScale} and capped}
     *
     * @param newScale factor of the scores
     * @param newSoftCap largest score, or 0 for none
     */
    public Attention withScale(double newScale, double newSoftCap) {
        return new Attention(heads, kvHeads, headDim, newScale, dropout, kind, newSoftCap, rotates, sinks);
    }

    /** {@return the same for layers whose queries and keys are not rotated} */
    public Attention withoutRotation() {
        return new Attention(heads, kvHeads, headDim, scale, dropout, kind, softCap, false, sinks);
    }

    /**
     * {@return the same with sinks}
     *
     * @param newSinks [heads], or null for none
     */
    public Attention withSinks(@Nullable Parameter newSinks) {
        return new Attention(heads, kvHeads, headDim, scale, dropout, kind, softCap, rotates, newSinks);
    }

    /** {@return how many features of a head the fused kernel is given: more than it has where there are sinks} */
    public int attendedDim() {
        return sinks == null ? headDim : headDim + AttentionSinks.FEATURES;
    }

    /**
     * {@return what turns queries and keys, or null where nothing does}
     *
     * @param context what the layers know about the batch
     */
    public @Nullable Rotation rotation(SequenceContext context) {
        return rotates ? context.view(kind).rotation() : null;
    }

    /**
     * Lets every token attend to those that the context permits.
     *
     * @param query [batch, seq, heads * headDim] or [batch, seq, heads, headDim]
     * @param key [batch, seq, kvHeads * headDim] or [batch, seq, kvHeads, headDim]
     * @param value as {@code key}
     * @param layer the number of the layer, for the cache
     * @param context what the layers know about the batch
     * @return [batch, seq, heads * headDim]
     */
    public Tensor forward(Tensor query, Tensor key, Tensor value, int layer, SequenceContext context) {
        KeyValueCache cache = context.cache();
        if (cache != null) {
            return cache.rotateAndAttend(layer, query, key, value, this, context);
        }
        Heads rotated = rotated(query, key, value, context);
        return over(rotated.query, rotated.keys, rotated.values, context);
    }

    /**
     * Queries, keys and values by heads, after the rotary embedding.
     *
     * @param query [batch, seq, heads, headDim]
     * @param keys [batch, seq, kvHeads, headDim]
     * @param values as {@code keys}, which are not rotated
     */
    record Heads(Tensor query, Tensor keys, Tensor values) {}

    /** Rotates what the projections gave, where the context has a rotation. */
    Heads rotated(Tensor query, Tensor key, Tensor value, SequenceContext context) {
        long batch = query.size(0);
        long seq = query.size(1);
        Tensor q = query.view(batch, seq, heads, headDim); // [batch, seq, heads, headDim]
        Tensor k = key.view(batch, seq, kvHeads, headDim); // [batch, seq, kvHeads, headDim]
        Tensor v = value.view(batch, seq, kvHeads, headDim);
        Rotation rotation = rotation(context);
        return rotation == null ? new Heads(q, k, v) : new Heads(rotation.apply(q), rotation.apply(k), v);
    }

    /**
     * Lets every token attend to those of some keys that the context permits.
     *
     * @param query [batch, seq, heads, headDim], after the rotary embedding
     * @param keys [batch, keys, kvHeads, headDim], after the rotary embedding
     * @param values as {@code keys}
     * @param context whose mask is for these keys
     * @return [batch, seq, heads * headDim]
     */
    public Tensor over(Tensor query, Tensor keys, Tensor values, SequenceContext context) {
        AttentionView view = context.view(kind);
        List<SequenceRun> runs = view.runs();
        Dropout active = context.dropout();
        if (runs != null) {
            return within(runs, query, keys, values, active);
        }
        return active.probability(dropout) > 0
                ? byRow(query, keys, values, view, active)
                : over(query, keys, values, view.mask(), view.causal(), active);
    }

    /** Attention of each run to itself and what it shares, one after the other: what no token sees is not looked at. */
    private Tensor within(List<SequenceRun> runs, Tensor query, Tensor keys, Tensor values, Dropout active) {
        long[] lengths = runs.stream().mapToLong(SequenceRun::length).toArray();
        List<Tensor> q = split(query, lengths); // each [1, run, heads, headDim]
        List<Tensor> k = split(keys, lengths);
        List<Tensor> v = split(values, lengths);
        PlacedDraws draws = draws(query, active);
        List<Tensor> attended = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < lengths.length; i++) {
            SequenceRun run = runs.get(i);
            try (RandomGenerator.Use use = draws.at(start)) {
                attended.add(over(q.get(i), seen(run, i, k), seen(run, i, v), run.mask(), true, active.byItself()));
            }
            start += (int) lengths[i];
        }
        return Tensors.cat(attended, 1).view(query.size(0), query.size(1), (long) heads * headDim);
    }

    /** Every row by itself, as a run that is all of a row is. */
    private Tensor byRow(Tensor query, Tensor keys, Tensor values, AttentionView view, Dropout active) {
        PlacedDraws draws = draws(query, active);
        Tensor mask = view.mask();
        List<Tensor> attended = new ArrayList<>();
        for (long row = 0; row < query.size(0); row++) {
            Tensor own = mask == null || mask.size(0) == 1 ? mask : mask.narrow(0, row, 1);
            try (RandomGenerator.Use use = draws.at((int) (row * query.size(1)))) {
                attended.add(over(
                        query.narrow(0, row, 1),
                        keys.narrow(0, row, 1),
                        values.narrow(0, row, 1),
                        own,
                        view.causal(),
                        active.byItself()));
            }
        }
        return Tensors.cat(attended, 0);
    }

    private PlacedDraws draws(Tensor query, Dropout active) {
        return active.probability(dropout) > 0
                ? new PlacedDraws(
                        active.places(query.size(0) * query.size(1)),
                        RandomGenerator.current().next())
                : PlacedDraws.NONE;
    }

    /**
     * What is drawn for runs of tokens, each by where it lies in the batch, whichever of the others are here too.
     *
     * @param places of the tokens that are here, in the batch
     * @param seed of the layer
     */
    private record PlacedDraws(long[] places, long seed) {

        private static final PlacedDraws NONE = new PlacedDraws(new long[0], 0);

        RandomGenerator.Use at(int token) {
            RandomGenerator current = RandomGenerator.current();
            return (places.length == 0 ? current : current.branch(seed + places[token])).use();
        }
    }

    private static List<Tensor> split(Tensor x, long[] lengths) {
        return x.reshape(1, -1, x.size(2), x.size(3)).split(lengths, 1);
    }

    private static Tensor seen(SequenceRun run, int number, List<Tensor> all) {
        Tensor own = all.get(number);
        return run.sharedLength() == 0
                ? own
                : Tensors.cat(List.of(all.get(run.shared()).narrow(1, 0, run.sharedLength()), own), 1);
    }

    /**
     * Lets every token attend to those of some keys that a mask permits, without dropout.
     *
     * @param query [batch, seq, heads, headDim], after the rotary embedding
     * @param keys [batch, keys, kvHeads, headDim], after the rotary embedding
     * @param values as {@code keys}
     * @param mask true where a query sees a key, [batch or 1, 1, seq, keys]; null for all of them
     * @param causal whether, without a mask, no token of several sees a later one; they begin where the keys do
     * @return [batch, seq, heads * headDim]
     */
    public Tensor over(Tensor query, Tensor keys, Tensor values, @Nullable Tensor mask, boolean causal) {
        return over(query, keys, values, mask, causal, Dropout.OFF);
    }

    private Tensor over(
            Tensor query, Tensor keys, Tensor values, @Nullable Tensor mask, boolean causal, Dropout active) {
        long batch = query.size(0);
        long seq = query.size(1);
        if (seq == 1 && heads != kvHeads) {
            return oneToken(query, keys, values, mask, active);
        }
        Tensor attended = attend(
                query.transpose(1, 2), // [batch, heads, seq, headDim]
                perQueryHead(keys).transpose(1, 2), // [batch, heads, keys, headDim]
                perQueryHead(values).transpose(1, 2),
                mask,
                causal && mask == null && seq > 1,
                active);
        return attended.transpose(1, 2).reshape(batch, seq, (long) heads * headDim); // [batch, seq, heads * headDim]
    }

    /**
     * One new token: the query heads that share a key and value head become the rows of one query, so that nothing needs
     * to be repeated.
     */
    private Tensor oneToken(Tensor query, Tensor keys, Tensor values, @Nullable Tensor mask, Dropout active) {
        long batch = query.size(0);
        return oneToken(
                query.reshape(batch, kvHeads, heads / kvHeads, headDim), // [batch, kvHeads, heads / kvHeads, headDim]
                new KeyValueCache.KeyValues(
                        keys.transpose(1, 2), values.transpose(1, 2)), // [batch, kvHeads, keys, headDim]
                mask,
                active);
    }

    private Tensor oneToken(Tensor query, KeyValueCache.KeyValues seen, @Nullable Tensor mask, Dropout active) {
        Tensor attended = attend(query, seen.keys(), seen.values(), mask, false, active);
        return attended.reshape(query.size(0), 1, (long) heads * headDim); // [batch, 1, heads * headDim]
    }

    /**
     * Lets one new token of every row attend to keys that lie by heads, without dropout.
     *
     * @param query [rows, kvHeads, heads / kvHeads, headDim], after the rotary embedding
     * @param seen each [rows, kvHeads, keys, headDim], as the row's token sees them
     * @param mask true where a token sees a key, [rows or 1, 1, 1, keys]; null for all of them
     * @return [rows, 1, heads * headDim]
     */
    public Tensor ofNewToken(Tensor query, KeyValueCache.KeyValues seen, @Nullable Tensor mask) {
        return oneToken(query, seen, mask, Dropout.OFF);
    }

    private Tensor attend(Tensor q, Tensor k, Tensor v, @Nullable Tensor mask, boolean causal, Dropout active) {
        if (softCap != 0 || active.probability(dropout) > 0) {
            return plain(q, k, v, mask, causal, active);
        }
        if (sinks == null) {
            return Functional.scaledDotProductAttention(q, k, v, mask, causal, scale);
        }
        // A new token's scores are few, while another key would mean a copy of all that there are.
        return q.size(2) <= heads / kvHeads
                ? plain(q, k, v, mask, causal, active)
                : AttentionSinks.of(sinks, q).attend(q, k, v, mask, causal, scale);
    }

    /** The plain formula: no fused kernel knows a cap on the scores, or draws from a run's own random generator. */
    private Tensor plain(Tensor q, Tensor k, Tensor v, @Nullable Tensor mask, boolean causal, Dropout active) {
        Tensor products = q.matmul(k.transpose(2, 3)).mul(scale); // [batch, heads, seq, keys]
        Tensor scores = (softCap == 0 ? products : products.div(softCap).tanh().mul(softCap))
                .to(q.dtype().atLeastFloat32());
        Tensor visible = causal ? lowerTriangle(q.size(2), q) : mask;
        if (visible != null) {
            scores.maskedFillInPlace(visible.logicalNot(), Double.NEGATIVE_INFINITY);
        }
        Tensor weights = active.applyToHeads(shares(scores, sinks).to(q.dtype()), dropout);
        return weights.matmul(v); // [batch, heads, seq, headDim]
    }

    private static Tensor shares(Tensor scores, @Nullable Parameter sinks) {
        return sinks == null
                ? scores.softmax(-1)
                : AttentionSinks.of(sinks, scores).shares(scores);
    }

    /** True where a key is not after its query: [seq, seq]. */
    private static Tensor lowerTriangle(long seq, Tensor like) {
        Tensor index = Tensors.arange(seq, like.device());
        return index.unsqueeze(0).lessOrEqual(index.unsqueeze(1));
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
