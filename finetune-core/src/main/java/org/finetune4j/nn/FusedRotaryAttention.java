package org.finetune4j.nn;

import java.util.List;
import java.util.Map;
import org.finetune4j.nn.DividedFeatures.Kind;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Self-attention whose queries, keys and values come from one projection. */
public final class FusedRotaryAttention extends SelfAttention {

    /** How queries, keys and values lie beside each other. */
    public enum Layout {
        /** All queries, all keys, all values. */
        STACKED,
        /** The queries that share a key, that key and its value, and so on. */
        BY_KEY
    }

    /**
     * What the two projections are called in the checkpoint.
     *
     * @param queryKeyValue the one in
     * @param output the one out
     */
    public record Names(String queryKeyValue, String output) {

        /** {@code qkv_proj}, {@code o_proj}. */
        public static final Names USUAL = new Names("qkv_proj", "o_proj");
    }

    private final Names names;
    private final Layout layout;
    private final Linear queryKeyValue;
    private final Linear output;
    private final Attention attention;
    private final int layer;

    /**
     * Reads {@code qkv_proj}, whose outputs are stacked, and {@code o_proj}; {@code layer} is the number of the layer they belong to.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param attention heads, scale and kind
     * @param bias whether there are biases
     * @param layer number of the layer in the model, from 0
     * @param init what a new model starts with
     */
    public FusedRotaryAttention(
            Weights weights, long hidden, Attention attention, boolean bias, int layer, Initialization init) {
        this(weights, Names.USUAL, Layout.STACKED, hidden, attention, bias, layer, init);
    }

    /**
     * Reads the two projections under other names, or in another layout.
     *
     * @param weights where the parameters come from, below this module's name
     * @param names of the projections
     * @param layout of the one in
     * @param hidden size of the hidden states
     * @param attention heads, scale and kind
     * @param bias whether there are biases
     * @param layer number of the layer in the model, from 0
     * @param init what a new model starts with
     */
    public FusedRotaryAttention(
            Weights weights,
            Names names,
            Layout layout,
            long hidden,
            Attention attention,
            boolean bias,
            int layer,
            Initialization init) {
        this.names = names;
        this.layout = layout;
        this.attention = attention;
        this.layer = layer;
        this.queryKeyValue = child(
                names.queryKeyValue,
                Linear.of(weights.at(names.queryKeyValue), hidden, queries() + 2 * keys(), bias, init));
        this.output = child(names.output, Linear.of(weights.at(names.output), queries(), hidden, bias, init));
    }

    private long queries() {
        return (long) attention.heads() * attention.headDim();
    }

    private long keys() {
        return (long) attention.kvHeads() * attention.headDim();
    }

    /** Queries that share a key. */
    private long group() {
        return attention.heads() / attention.kvHeads();
    }

    @Override
    public @Nullable AttentionProjections projections() {
        return layout == Layout.STACKED
                ? new AttentionProjections(List.of(queryKeyValue), null, null, attention, output)
                : null;
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        Section queries = Section.queries(attention);
        Section keys = Section.keys(attention);
        // Where each query has a key of its own no key is needed by several processes.
        Kind kind = group() == 1 ? Kind.QUERY_HEADS : Kind.KEY_HEADS;
        DividedFeatures projected = layout == Layout.STACKED
                ? DividedFeatures.outputs(queries, keys, keys)
                : DividedFeatures.outputs(new Section(kind, attention.kvHeads(), (group() + 2) * attention.headDim()));
        return Map.of(names.queryKeyValue, projected, names.output, DividedFeatures.inputs(queries));
    }

    @Override
    public Attention attention() {
        return attention;
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context) {
        Tensor all = queryKeyValue.forward(x, context); // [batch, seq, queries + 2 * keys]
        Tensor attended = layout == Layout.STACKED ? stacked(all, context) : byKey(all, context);
        return output.forward(attended, context);
    }

    private Tensor stacked(Tensor all, SequenceContext context) {
        return attention.forward(
                all.narrow(2, 0, queries()), // [batch, seq, queries]
                all.narrow(2, queries(), keys()), // [batch, seq, keys]
                all.narrow(2, queries() + keys(), keys()),
                layer,
                context);
    }

    private Tensor byKey(Tensor all, SequenceContext context) {
        Tensor groups = all.view(
                all.size(0),
                all.size(1),
                attention.kvHeads(),
                group() + 2,
                attention.headDim()); // [batch, seq, kvHeads, queries of a key + 2, headDim]
        return attention.forward(
                part(groups, 0, group()), part(groups, group(), 1), part(groups, group() + 1, 1), layer, context);
    }

    /** Some of each group: [batch, seq, kvHeads * count, headDim]. */
    private static Tensor part(Tensor groups, long from, long count) {
        return groups.narrow(3, from, count)
                .reshape(groups.size(0), groups.size(1), groups.size(2) * count, groups.size(4));
    }
}
