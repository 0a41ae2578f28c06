package org.finetune4j.nn;

import java.util.List;
import java.util.Map;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** A {@link GatedFeedForward} whose first two projections are one, the gate's rows first. */
public final class FusedGatedFeedForward extends FeedForward {

    /** What the two projections are called in the checkpoint. */
    public record Names(String gateUp, String down) {

        /** {@code gate_up_proj}, {@code down_proj}. */
        public static final Names USUAL = new Names("gate_up_proj", "down_proj");
    }

    private final Names names;
    private final Linear gateUp;
    private final Linear down;
    private final Activation activation;
    private final double dropout;

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
        this(weights, Names.USUAL, hidden, inner, bias, activation, 0, init);
    }

    /**
     * Reads the two projections under other names.
     *
     * @param weights where the parameters come from, below this module's name
     * @param names of the two projections in the checkpoint
     * @param hidden size of the hidden states
     * @param inner size of the hidden states inside
     * @param bias whether there are biases
     * @param activation applied to the gate
     * @param dropout share of the hidden states inside that is dropped in training
     * @param init what a new model starts with
     */
    public FusedGatedFeedForward(
            Weights weights,
            Names names,
            long hidden,
            long inner,
            boolean bias,
            Activation activation,
            double dropout,
            Initialization init) {
        this.names = names;
        this.dropout = dropout;
        this.gateUp = child(names.gateUp, Linear.of(weights.at(names.gateUp), hidden, 2 * inner, bias, init));
        this.down = child(names.down, Linear.of(weights.at(names.down), inner, hidden, bias, init));
        this.activation = activation;
    }

    @Override
    public @Nullable FeedForwardProjections projections() {
        return dropout > 0 ? null : new FeedForwardProjections(List.of(gateUp), activation, down);
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        Section inner = Section.inner(down.inFeatures());
        return Map.of(names.gateUp, DividedFeatures.outputs(inner, inner), names.down, DividedFeatures.inputs(inner));
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context) {
        Tensor both = gateUp.forward(x, context); // [batch, seq, 2 * inner]
        long inner = both.size(2) / 2;
        Tensor gate = both.narrow(2, 0, inner); // [batch, seq, inner]
        Tensor up = both.narrow(2, inner, inner);
        AxisSlice features = down.inputSlice();
        Tensor kept = context.dropout()
                .ofPortion(features == null ? null : Portion.ofFeatures(features))
                .apply(activation.apply(gate).mul(up), dropout); // [batch, seq, inner]
        return down.forward(kept, context); // [batch, seq, hidden]
    }
}
