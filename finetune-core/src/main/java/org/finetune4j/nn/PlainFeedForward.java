package org.finetune4j.nn;

import java.util.HashMap;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** {@code down(activation(up(x)))}, the feed-forward block of the first transformers (Vaswani et al. 2017). */
public final class PlainFeedForward extends FeedForward {

    /** What the two projections are called in the checkpoint. */
    public record Names(String up, String down) {

        /** {@code up_proj}, {@code down_proj}. */
        public static final Names USUAL = new Names("up_proj", "down_proj");
    }

    private static final String LEARNED = "act_fn";

    private final Names names;
    private final Linear up;
    private final Linear down;
    private final UnaryOperator<Tensor> activation;
    private final @Nullable Xielu learned;

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
        this(weights, names, hidden, inner, bias, activation::apply, null, init);
    }

    /**
     * Reads the two projections, and {@code act_fn} between them.
     *
     * @param weights where the parameters come from, below this module's name
     * @param names of the projections in the checkpoint
     * @param hidden size of the hidden states
     * @param inner size of the hidden states inside
     * @param bias whether there are biases
     * @param init what a new model starts with
     * @return the block, whose activation is learned
     */
    public static PlainFeedForward xielu(
            Weights weights, Names names, long hidden, long inner, boolean bias, Initialization init) {
        Xielu learned = new Xielu(weights.at(LEARNED));
        return new PlainFeedForward(weights, names, hidden, inner, bias, learned::apply, learned, init);
    }

    private PlainFeedForward(
            Weights weights,
            Names names,
            long hidden,
            long inner,
            boolean bias,
            UnaryOperator<Tensor> activation,
            @Nullable Xielu learned,
            Initialization init) {
        this.names = names;
        this.up = child(names.up, Linear.of(weights.at(names.up), hidden, inner, bias, init));
        this.down = child(names.down, Linear.of(weights.at(names.down), inner, hidden, bias, init));
        this.learned = learned == null ? null : child(LEARNED, learned);
        this.activation = activation;
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        Section inner = Section.inner(up.outFeatures());
        Map<String, DividedFeatures> divided = new HashMap<>(
                Map.of(names.up, DividedFeatures.outputs(inner), names.down, DividedFeatures.inputs(inner)));
        if (learned != null) {
            divided.put(LEARNED, DividedFeatures.ofOwn());
        }
        return divided;
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context) {
        Tensor inner = activation.apply(up.forward(x, context)); // [batch, seq, inner]
        return down.forward(inner, context); // [batch, seq, hidden]
    }
}
