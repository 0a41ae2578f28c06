package org.finetune4j.nn;

import java.util.Map;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Tensor;

/** {@code down(activation(up(x)))}, the feed-forward block of the first transformers (Vaswani et al. 2017). */
public final class PlainFeedForward extends FeedForward {

    /** What the two projections are called in the checkpoint. */
    public record Names(String up, String down) {}

    private final Names names;
    private final Linear up;
    private final Linear down;
    private final Activation activation;

    /**
     * Reads the two projections.
     *
     * @param weights where the parameters come from, below this module's name
     * @param names of the projections in the checkpoint
     * @param hidden size of the hidden states
     * @param inner size of the hidden states inside
     * @param bias whether there are biases
     * @param activation between the projections
     * @param init what a new model starts with
     */
    public PlainFeedForward(
            Weights weights,
            Names names,
            long hidden,
            long inner,
            boolean bias,
            Activation activation,
            Initialization init) {
        this.names = names;
        this.up = child(names.up, Linear.of(weights.at(names.up), hidden, inner, bias, init));
        this.down = child(names.down, Linear.of(weights.at(names.down), inner, hidden, bias, init));
        this.activation = activation;
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        Section inner = Section.inner(up.outFeatures());
        return Map.of(names.up, DividedFeatures.outputs(inner), names.down, DividedFeatures.inputs(inner));
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context) {
        Tensor inner = activation.apply(up.forward(x, context)); // [batch, seq, inner]
        return down.forward(inner, context); // [batch, seq, hidden]
    }
}
