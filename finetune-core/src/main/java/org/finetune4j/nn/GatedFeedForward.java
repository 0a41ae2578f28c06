package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/** {@code down(activation(gate(x)) * up(x))}, the feed-forward block of the Llama family (Shazeer 2020). */
public final class GatedFeedForward extends Module {

    private final Linear gate;
    private final Linear up;
    private final Linear down;
    private final Activation activation;

    /** Reads {@code gate_proj}, {@code up_proj} and {@code down_proj}. */
    public GatedFeedForward(
            Weights weights, long hidden, long inner, boolean bias, Activation activation, Initialization init) {
        this.gate = child("gate_proj", Linear.of(weights.at("gate_proj"), hidden, inner, bias, init));
        this.up = child("up_proj", Linear.of(weights.at("up_proj"), hidden, inner, bias, init));
        this.down = child("down_proj", Linear.of(weights.at("down_proj"), inner, hidden, bias, init));
        this.activation = activation;
    }

    /** [batch, seq, hidden] to [batch, seq, hidden]. */
    public Tensor forward(Tensor x) {
        Tensor gated = activation.apply(gate.forward(x)).mul(up.forward(x)); // [batch, seq, inner]
        return down.forward(gated); // [batch, seq, hidden]
    }
}
