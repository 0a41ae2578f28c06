package org.finetune4j.nn;

import java.util.List;
import java.util.Map;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Tensor;

/** Self-attention whose queries, keys and values come from one projection, stacked in that order. */
public final class FusedRotaryAttention extends SelfAttention {

    /** What the two projections are called in the checkpoint. */
    public record Names(String queryKeyValue, String output) {

        /** {@code qkv_proj}, {@code o_proj}. */
        public static final Names USUAL = new Names("qkv_proj", "o_proj");
    }

    private final Names names;
    private final Linear queryKeyValue;
    private final Linear output;
    private final Attention attention;
    private final int layer;

    /**
     * Reads {@code qkv_proj} and {@code o_proj}; {@code layer} is the number of the layer they belong to.
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
        this(weights, Names.USUAL, hidden, attention, bias, layer, init);
    }

    /**
     * Reads the two projections under other names.
     *
     * @param weights where the parameters come from, below this module's name
     * @param names of the two projections in the checkpoint
     * @param hidden size of the hidden states
     * @param attention heads, scale and kind
     * @param bias whether there are biases
     * @param layer number of the layer in the model, from 0
     * @param init what a new model starts with
     */
    public FusedRotaryAttention(
            Weights weights,
            Names names,
            long hidden,
            Attention attention,
            boolean bias,
            int layer,
            Initialization init) {
        this.names = names;
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

    @Override
    public AttentionProjections projections() {
        return new AttentionProjections(List.of(queryKeyValue), null, null, attention, output);
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        Section queries = Section.queries(attention);
        Section keys = Section.keys(attention);
        return Map.of(
                names.queryKeyValue,
                DividedFeatures.outputs(queries, keys, keys),
                names.output,
                DividedFeatures.inputs(queries));
    }

    @Override
    public Attention attention() {
        return attention;
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context) {
        Tensor all = queryKeyValue.forward(x, context); // [batch, seq, queries + 2 * keys]
        Tensor attended = attention.forward(
                all.narrow(2, 0, queries()), // [batch, seq, queries]
                all.narrow(2, queries(), keys()), // [batch, seq, keys]
                all.narrow(2, queries() + keys(), keys()),
                layer,
                context);
        return output.forward(attended, context);
    }
}
