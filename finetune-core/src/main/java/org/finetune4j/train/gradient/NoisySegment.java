package org.finetune4j.train.gradient;

import org.finetune4j.model.Segment;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.nn.Portion;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A segment with noise on what it gives. Noise is added, so a gradient passes it unchanged.
 *
 * @param segment gives what the noise is added to
 * @param noise is added
 * @param portion which of a whole batch's noise; null for all
 */
record NoisySegment(
        Segment segment, EmbeddingNoise noise, @Nullable Portion portion) implements Segment {

    @Override
    public boolean trains(SequenceContext context) {
        return segment.trains(context);
    }

    @Override
    public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
        SegmentOutput clean = segment.forward(input, context, gradients);
        Tensor noisy = noise.addTo(clean.tensor(), portion);
        if (noisy != clean.tensor()) {
            clean.tensor().close();
        }
        return new Noisy(clean, noisy);
    }

    /**
     * What a segment gave, with noise.
     *
     * @param clean goes back
     * @param tensor with noise
     */
    private record Noisy(SegmentOutput clean, Tensor tensor) implements SegmentOutput {

        @Override
        public boolean isRecorded() {
            return clean.isRecorded();
        }

        @Override
        public @Nullable Tensor backward(@Nullable Tensor gradient) {
            return clean.backward(gradient);
        }

        @Override
        public void close() {
            clean.close();
        }
    }
}
