package org.finetune4j.model;

import org.finetune4j.nn.Module;
import org.finetune4j.nn.Residency;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A segment around which a residency is called.
 *
 * @param segment what is run
 * @param modules what it uses
 * @param residency brings that to where it is needed
 */
record ResidentSegment(Segment segment, Module modules, Residency residency) implements Segment {

    @Override
    public boolean trains(SequenceContext context) {
        return segment.trains(context);
    }

    @Override
    public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
        SegmentOutput output = residency.forward(modules, () -> segment.forward(input, context, gradients));
        return output.isRecorded() ? new Resident(output) : output;
    }

    private final class Resident implements SegmentOutput {

        private final SegmentOutput output;

        Resident(SegmentOutput output) {
            this.output = output;
        }

        @Override
        public Tensor tensor() {
            return output.tensor();
        }

        @Override
        public boolean isRecorded() {
            return true;
        }

        @Override
        public @Nullable Tensor backward(@Nullable Tensor gradient) {
            return residency.<@Nullable Tensor>backward(modules, () -> output.backward(gradient));
        }

        @Override
        public void close() {
            output.close();
        }
    }
}
