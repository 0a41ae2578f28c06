package org.finetune4j.nn;

import java.util.List;
import java.util.Map;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Tensor;

/** A {@link GatedFeedForward} whose first two projections are one, {@code gate_up_proj}, the gate's rows first. */
public final class FusedGatedFeedForward extends FeedForward {

    private final Linear gateUp;
    private final Linear down;
    private final Activation activation;

    /**
     * Reads {@code gate_up_proj} and {@code down_proj}.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param inner size of the hidden states inside
     * @param bias whether there are biases
     * @param activation applied to the gate
     * @param init what a new model starts with
     */
    public FusedGatedFeedForward(
            Weights weights, long hidden, long inner, boolean bias, Activation activation, Initialization init) {
        this.gateUp = child("gate_up_proj", Linear.of(weights.at("gate_up_proj"), hidden, 2 * inner, bias, init));
        this.down = child("down_proj", Linear.of(weights.at("down_proj"), inner, hidden, bias, init));
        this.activation = activation;
    }

    @Override
    public FeedForwardProjections projections() {
        return new FeedForwardProjections(List.of(gateUp), activation, down);
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        Section inner = Section.inner(down.inFeatures());
        return Map.of(
                "gate_up_proj", DividedFeatures.outputs(inner, inner), "down_proj", DividedFeatures.inputs(inner));
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context) {
        Tensor both = gateUp.forward(x, context); // [batch, seq, 2 * inner]
        long inner = both.size(2) / 2;
        Tensor gate = both.narrow(2, 0, inner); // [batch, seq, inner]
        Tensor up = both.narrow(2, inner, inner);
        return down.forward(activation.apply(gate).mul(up), context); // [batch, seq, hidden]
    }
}
