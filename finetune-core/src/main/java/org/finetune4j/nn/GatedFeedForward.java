package org.finetune4j.nn;

import java.util.List;
import java.util.Map;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** {@code down(activation(gate(x)) * up(x))}, the feed-forward block of the Llama family (Shazeer 2020). */
public final class GatedFeedForward extends GatedBlock {

    /** What the three projections are called in the checkpoint. */
    public record Names(String gate, String up, String down) {

        /** {@code gate_proj}, {@code up_proj}, {@code down_proj}. */
        public static final Names USUAL = new Names("gate_proj", "up_proj", "down_proj");
    }

    private final Names names;
    private final Linear gate;
    private final Linear up;
    private final List<Linear> gateAndUp;
    private final Linear down;
    private final Activation activation;

    /**
     * Reads {@code gate_proj}, {@code up_proj} and {@code down_proj}.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param inner size of the hidden states inside
     * @param bias whether there are biases
     * @param activation applied to the gate
     * @param init what a new model starts with
     */
    public GatedFeedForward(
            Weights weights, long hidden, long inner, boolean bias, Activation activation, Initialization init) {
        this(weights, Names.USUAL, hidden, inner, bias, activation, init);
    }

    /**
     * Reads the three projections under other names.
     *
     * @param weights where the parameters come from, below this module's name
     * @param names of the three projections in the checkpoint
     * @param hidden size of the hidden states
     * @param inner size of the hidden states inside
     * @param bias whether there are biases
     * @param activation applied to the gate
     * @param init what a new model starts with
     */
    public GatedFeedForward(
            Weights weights,
            Names names,
            long hidden,
            long inner,
            boolean bias,
            Activation activation,
            Initialization init) {
        this.names = names;
        this.gate = child(names.gate, Linear.of(weights.at(names.gate), hidden, inner, bias, init));
        this.up = child(names.up, Linear.of(weights.at(names.up), hidden, inner, bias, init));
        this.down = child(names.down, Linear.of(weights.at(names.down), inner, hidden, bias, init));
        this.gateAndUp = List.of(gate, up);
        this.activation = activation;
    }

    /** {@return the projection that the activation is applied to} */
    public Linear gate() {
        return gate;
    }

    /** {@return the projection that is multiplied with the activation} */
    public Linear up() {
        return up;
    }

    @Override
    public List<Linear> gateAndUp() {
        return gateAndUp;
    }

    @Override
    public Linear down() {
        return down;
    }

    /** {@return what is applied to the gate} */
    public Activation activation() {
        return activation;
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        Section inner = Section.inner(gate.outFeatures());
        return Map.of(
                names.gate, DividedFeatures.outputs(inner),
                names.up, DividedFeatures.outputs(inner),
                names.down, DividedFeatures.inputs(inner));
    }

    @Override
    protected List<List<Linear>> appliedTogether() {
        return List.of(gateAndUp);
    }

    @Override
    public FeedForwardProjections projections() {
        return new FeedForwardProjections(gateAndUp, activation, down);
    }

    /**
     * Applies the block.
     *
     * @param x [..., hidden]
     * @param context what is known about the batch whose rows {@code x} has; null where nothing is
     * @return [..., hidden]
     */
    @Override
    public Tensor forward(Tensor x, @Nullable SequenceContext context) {
        Linear.together(gateAndUp, x, context);
        Tensor gated = activation.apply(gate.forward(x, context)).mul(up.forward(x, context)); // [..., inner]
        return down.forward(gated, context); // [..., hidden]
    }
}
