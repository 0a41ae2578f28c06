package org.finetune4j.train.gradient;

import java.util.Map;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The end of the chain of segments: from the last layer's output to a loss, and back. */
public interface LossHead {

    /**
     * The loss and where it came from.
     *
     * @param loss the value that was back-propagated, or would have been
     * @param hiddenGradient d(loss)/d(hiddenStates) [batch, seq, hidden]; null when it was not asked for
     */
    record Result(double loss, @Nullable Tensor hiddenGradient) {}

    /**
     * Computes the loss; with {@code wantGradient} also adds the gradients of the head's own parameters to them.
     *
     * @param hiddenStates [batch, seq, hidden], before the final norm, cut off from its graph
     * @param context of the pass
     * @param wantGradient whether to go backwards too
     * @return the loss, and its gradient where it was asked for
     */
    Result apply(Tensor hiddenStates, SequenceContext context, boolean wantGradient);

    /**
     * Which share of an optimizer step's loss this batch is, by which a model's own extra losses (the balance of its
     * experts) are weighted: 1 unless gradients of several batches are accumulated.
     *
     * @return above 0, at most 1
     */
    default double share() {
        return 1;
    }

    /**
     * {@return what is worth reporting of the batch besides the loss, by name} Asked after {@link #apply}; the averages of several
     * batches are added up. Names are those that people know from elsewhere, such as {@code rewards/margins}.
     */
    default Map<String, Average> metrics() {
        return Map.of();
    }
}
