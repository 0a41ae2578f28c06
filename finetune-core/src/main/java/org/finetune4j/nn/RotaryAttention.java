package org.finetune4j.nn;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Self-attention with separate projections {@code q_proj}, {@code k_proj}, {@code v_proj} and, usually, {@code o_proj}. */
public final class RotaryAttention extends SelfAttention {

    /**
     * What differs between the models that project queries, keys and values apart.
     *
     * @param queryKeyValueBias whether the projections in have a bias
     * @param outputBias whether the projection out has one
     * @param norm makes {@code q_norm} and {@code k_norm}, which normalise queries and keys before they are rotated; or
     *     null
     * @param acrossHeads whether they normalise all heads of a token together, not each by itself
     * @param rotatesFirst whether queries and keys are rotated before their norms, not after
     * @param clip largest element of queries, keys and values before they are rotated, in both directions; 0 for no bound
     * @param queryScale what queries are multiplied by, by their positions, or null
     * @param sinks whether there are {@code sinks}, see {@link Attention#sinks}
     */
    public record Style(
            boolean queryKeyValueBias,
            boolean outputBias,
            Norm.@Nullable Factory norm,
            boolean acrossHeads,
            boolean rotatesFirst,
            double clip,
            @Nullable PositionScale queryScale,
            boolean sinks) {

        /**
         * Norms, where there are some, before the rotation; no bound, no factor and no sinks.
         *
         * @param queryKeyValueBias whether those three projections have biases
         * @param outputBias whether the last projection has one
         * @param norm makes the norms, or null
         * @param acrossHeads whether they normalise all heads of a token together
         */
        public Style(boolean queryKeyValueBias, boolean outputBias, Norm.@Nullable Factory norm, boolean acrossHeads) {
            this(queryKeyValueBias, outputBias, norm, acrossHeads, false, 0, null, false);
        }

        /**
         * Norms, where there are some, of each head by itself.
         *
         * @param queryKeyValueBias whether those three projections have biases
         * @param outputBias whether the last projection has one
         * @param headNorm makes the norms of heads, or null
         */
        public Style(boolean queryKeyValueBias, boolean outputBias, Norm.@Nullable Factory headNorm) {
            this(queryKeyValueBias, outputBias, headNorm, false);
        }

        /**
         * Biases everywhere or nowhere, no norms.
         *
         * @param bias whether there are biases
         * @return the style
         */
        public static Style biased(boolean bias) {
            return new Style(bias, bias, null);
        }

        /** {@return the same with sinks} */
        public Style withSinks() {
            return new Style(queryKeyValueBias, outputBias, norm, acrossHeads, rotatesFirst, clip, queryScale, true);
        }

        /** {@return the same for queries and keys that are rotated before each head is normalised} */
        public Style rotatingFirst() {
            return new Style(queryKeyValueBias, outputBias, norm, false, true, clip, queryScale, sinks);
        }

        /**
         * {@return the same with a bound of what the projections give}
         *
         * @param bound largest element in both directions, or 0 for none
         */
        public Style clipped(double bound) {
            return new Style(queryKeyValueBias, outputBias, norm, acrossHeads, rotatesFirst, bound, queryScale, sinks);
        }

        /**
         * {@return the same with queries that are multiplied by their positions' factors}
         *
         * @param scale of the positions
         */
        public Style scaledBy(PositionScale scale) {
            return new Style(queryKeyValueBias, outputBias, norm, acrossHeads, rotatesFirst, clip, scale, sinks);
        }

        /** Whether it is projections and norms of heads alone. */
        private boolean isPlain() {
            return !acrossHeads && !rotatesFirst && clip == 0 && queryScale == null && !sinks;
        }
    }

    /**
     * What the projection out and the norms of heads are called in the checkpoint.
     *
     * @param output the projection out
     * @param queryNorm the norm of queries
     * @param keyNorm the norm of keys
     */
    public record Names(String output, String queryNorm, String keyNorm) {

        /** {@code o_proj}, {@code q_norm}, {@code k_norm}. */
        public static final Names USUAL = new Names("o_proj", "q_norm", "k_norm");
    }

    private static final String SINKS = "sinks";

    private final Names names;
    private final Linear query;
    private final Linear key;
    private final Linear value;
    private final List<Linear> queryKeyValue;
    private final Linear output;
    private final @Nullable Norm queryNorm;
    private final @Nullable Norm keyNorm;
    private final Style style;
    private final Attention attention;
    private final int layer;

    /**
     * Reads the four projections; {@code layer} is the number of the layer they belong to.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param attention heads, scale and kind
     * @param style biases and norms
     * @param layer number of the layer in the model, from 0
     * @param init what a new model starts with
     */
    public RotaryAttention(
            Weights weights, long hidden, Attention attention, Style style, int layer, Initialization init) {
        this(weights, Names.USUAL, hidden, attention, style, layer, init);
    }

    /**
     * Reads the four projections, where some parts have other names.
     *
     * @param weights where the parameters come from, below this module's name
     * @param names of the projection out and the norms
     * @param hidden size of the hidden states
     * @param attention heads, scale and kind
     * @param style biases and norms
     * @param layer number of the layer in the model, from 0
     * @param init what a new model starts with
     */
    public RotaryAttention(
            Weights weights,
            Names names,
            long hidden,
            Attention attention,
            Style style,
            int layer,
            Initialization init) {
        this.names = names;
        long queries = (long) attention.heads() * attention.headDim();
        long keys = (long) attention.kvHeads() * attention.headDim();
        boolean bias = style.queryKeyValueBias;
        this.query = child("q_proj", Linear.of(weights.at("q_proj"), hidden, queries, bias, init));
        this.key = child("k_proj", Linear.of(weights.at("k_proj"), hidden, keys, bias, init));
        this.value = child("v_proj", Linear.of(weights.at("v_proj"), hidden, keys, bias, init));
        this.output = child(names.output, Linear.of(weights.at(names.output), queries, hidden, style.outputBias, init));
        this.queryKeyValue = List.of(query, key, value);
        this.queryNorm = norm(names.queryNorm, weights, style, attention, attention.heads());
        this.keyNorm = norm(names.keyNorm, weights, style, attention, attention.kvHeads());
        this.style = style;
        this.attention = attention;
        this.layer = layer;
        if (style.sinks) {
            parameter(SINKS, weights.parameter(SINKS, init, attention.heads()));
        }
    }

    private @Nullable Norm norm(String name, Weights weights, Style style, Attention attention, int heads) {
        Norm.Factory norms = style.norm;
        if (norms == null) {
            return null;
        }
        long size = (style.acrossHeads ? heads : 1L) * attention.headDim();
        return child(name, norms.create(weights.at(name), size));
    }

    @Override
    public Attention attention() {
        return style.sinks ? attention.withSinks(own(SINKS)) : attention;
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context) {
        Linear.together(queryKeyValue, x, context);
        Tensor q = query.forward(x, context);
        Tensor k = key.forward(x, context);
        Tensor v = clipped(value.forward(x, context));
        if (style.rotatesFirst) {
            Attention.Heads rotated = attention().rotated(scaled(clipped(q), context), clipped(k), v, context);
            q = normalised(queryNorm, rotated.query(), context);
            k = normalised(keyNorm, rotated.keys(), context);
            return output.forward(attention().withoutRotation().forward(q, k, v, layer, context), context);
        }
        q = scaled(clipped(normalised(queryNorm, q, context)), context);
        k = clipped(normalised(keyNorm, k, context));
        Tensor attended = attention().forward(q, k, v, layer, context);
        return output.forward(attended, context);
    }

    /** Queries, multiplied by their positions' factors. */
    private Tensor scaled(Tensor q, SequenceContext context) {
        if (style.queryScale == null) {
            return q;
        }
        Tensor factors = style.queryScale.of(context.positionIds(), q.dtype()); // [batch or 1, seq, 1]
        return q.mul(q.dim() == 4 ? factors.unsqueeze(3) : factors);
    }

    private Tensor clipped(Tensor projected) {
        return style.clip == 0 ? projected : projected.clamp(-style.clip, style.clip);
    }

    @Override
    public @Nullable AttentionProjections projections() {
        return style.isPlain() ? new AttentionProjections(queryKeyValue, queryNorm, keyNorm, attention, output) : null;
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        Section queries = Section.queries(attention);
        Section keys = Section.keys(attention);
        Map<String, DividedFeatures> divided = new HashMap<>(Map.of(
                "q_proj",
                DividedFeatures.outputs(queries),
                "k_proj",
                DividedFeatures.outputs(keys),
                "v_proj",
                DividedFeatures.outputs(keys),
                names.output,
                DividedFeatures.inputs(queries)));
        if (style.sinks) {
            divided.put(SINKS, DividedFeatures.elements(Section.ofQueryHeads(attention)));
        }
        if (queryNorm != null && keyNorm != null) {
            DividedFeatures ofQueries = style.acrossHeads ? queryNorm.dividedBy(queries) : DividedFeatures.ofHeads();
            DividedFeatures ofKeys = style.acrossHeads ? keyNorm.dividedBy(keys) : DividedFeatures.ofHeads();
            if (ofQueries == null || ofKeys == null) {
                return Map.of();
            }
            divided.put(names.queryNorm, ofQueries);
            divided.put(names.keyNorm, ofKeys);
        }
        return divided;
    }

    @Override
    protected List<List<Linear>> appliedTogether() {
        return List.of(queryKeyValue);
    }

    /** Normalises [batch, seq, heads * headDim], each head by itself or all together. */
    private Tensor normalised(@Nullable Norm norm, Tensor x, SequenceContext context) {
        if (norm == null || style.acrossHeads) {
            return norm == null ? x : norm.forward(x, context);
        }
        return norm.forward(
                x.view(x.size(0), x.size(1), -1, attention.headDim()), context); // [batch, seq, heads, headDim]
    }
}
