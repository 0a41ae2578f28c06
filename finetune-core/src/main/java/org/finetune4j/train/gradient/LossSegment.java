package org.finetune4j.train.gradient;

import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.Segment;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.nn.Residency;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * The last segment: a batch's loss. A head goes through the scores some at a time and takes the gradient of each piece before
 * it makes the next, so the gradients are there when the loss is: the residency's backward calls come inside of its forward
 * ones.
 */
final class LossSegment implements Segment {

    private final LossHead head;
    private final ModelInputs inputs;
    private final DecoderModel network;
    private final Residency residency;

    /**
     * @param head of the batch
     * @param inputs the batch
     * @param network whose head it uses
     * @param residency is called around it
     */
    LossSegment(LossHead head, ModelInputs inputs, DecoderModel network, Residency residency) {
        this.head = head;
        this.inputs = inputs;
        this.network = network;
        this.residency = residency;
    }

    /** A head always goes back: whoever asks for gradients at all wants those of its parameters. */
    @Override
    public boolean trains(SequenceContext context) {
        return true;
    }

    @Override
    public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
        return residency.forward(network.headPart(), () -> apply(input, context, gradients));
    }

    private SegmentOutput apply(Tensor input, SequenceContext context, Gradients gradients) {
        int first = network.firstScored(input, inputs);
        Tensor hidden = VirtualTokens.removed(input, first, network.countScored(input, inputs));
        if (!gradients.wanted()) {
            return SegmentOutput.unrecorded(
                    number(head.apply(hidden, context, false).loss()));
        }
        LossHead.Result result = residency.backward(network.headPart(), () -> head.apply(hidden, context, true));
        Tensor gradient = VirtualTokens.restored(result.hiddenGradient(), first, input);
        input.close();
        return new Recorded(
                number(result.loss()), gradient == null ? null : gradient.unscoped(), gradients == Gradients.OF_INPUT);
    }

    private static Tensor number(double value) {
        return Tensors.of(new double[] {value}, 1);
    }

    /**
     * A loss whose gradient is there already.
     *
     * @param tensor the loss
     * @param inputGradient [batch, virtual + seq, hidden], or null
     * @param wanted whether the input's gradient was asked for
     */
    private record Recorded(Tensor tensor, @Nullable Tensor inputGradient, boolean wanted) implements SegmentOutput {

        @Override
        public boolean isRecorded() {
            return true;
        }

        @Override
        public @Nullable Tensor backward(@Nullable Tensor gradient) {
            if (inputGradient != null && inputGradient.isClosed()) {
                throw new IllegalStateException("a segment goes back once");
            }
            Tensor arrived = wanted && inputGradient != null ? inputGradient.detach() : null;
            close();
            return arrived;
        }

        @Override
        public void close() {
            if (inputGradient != null) {
                inputGradient.close();
            }
        }
    }
}
