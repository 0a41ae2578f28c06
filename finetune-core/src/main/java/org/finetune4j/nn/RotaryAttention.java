package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/** Self-attention with separate projections {@code q_proj}, {@code k_proj}, {@code v_proj} and {@code o_proj}. */
public final class RotaryAttention extends Module {

    private final Linear query;
    private final Linear key;
    private final Linear value;
    private final Linear output;
    private final Attention attention;
    private final int layer;

    /** Reads the four projections; {@code layer} is the number of the layer they belong to. */
    public RotaryAttention(
            Weights weights, long hidden, Attention attention, boolean bias, int layer, Initialization init) {
        long queries = (long) attention.heads() * attention.headDim();
        long keys = (long) attention.kvHeads() * attention.headDim();
        this.query = child("q_proj", Linear.of(weights.at("q_proj"), hidden, queries, bias, init));
        this.key = child("k_proj", Linear.of(weights.at("k_proj"), hidden, keys, bias, init));
        this.value = child("v_proj", Linear.of(weights.at("v_proj"), hidden, keys, bias, init));
        this.output = child("o_proj", Linear.of(weights.at("o_proj"), queries, hidden, bias, init));
        this.attention = attention;
        this.layer = layer;
    }

    /** [batch, seq, hidden] to [batch, seq, hidden]. */
    public Tensor forward(Tensor x, SequenceContext context) {
        Tensor attended = attention.forward(query.forward(x), key.forward(x), value.forward(x), layer, context);
        return output.forward(attended);
    }
}
