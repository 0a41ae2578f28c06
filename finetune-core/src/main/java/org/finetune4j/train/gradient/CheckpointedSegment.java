package org.finetune4j.train.gradient;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Segment;
import org.finetune4j.model.SegmentChain;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Segments of which the first one's input is kept and nothing else: before they go back they run again, recording, with the
 * random numbers of the first time.
 */
final class CheckpointedSegment implements Segment {

    private final SegmentChain chain;
    private final @Nullable ActivationFiles files;

    /**
     * @param segments that run again together
     * @param files where the input goes meanwhile, or null to keep it in memory
     */
    CheckpointedSegment(List<Segment> segments, @Nullable ActivationFiles files) {
        this.chain = new SegmentChain(segments);
        this.files = files;
    }

    @Override
    public boolean trains(SequenceContext context) {
        return chain.trains(context);
    }

    @Override
    public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
        if (!gradients.wanted()) {
            return chain.forward(input, context, gradients);
        }
        Map<String, byte[]> randomState = RandomGenerator.current().state();
        ActivationFiles.Stored stored = files == null ? null : files.store(input);
        Tensor output = chain.forward(input, context, Gradients.LATER).tensor();
        if (stored == null) {
            input.unscoped();
        } else {
            input.close();
        }
        return new Kept(input, stored, output, context, gradients, randomState);
    }

    private final class Kept implements SegmentOutput {

        private final Tensor input;
        private final ActivationFiles.@Nullable Stored stored;
        private final Tensor output;
        private final SequenceContext context;
        private final Gradients gradients;
        private final Map<String, byte[]> randomState;

        Kept(
                Tensor input,
                ActivationFiles.@Nullable Stored stored,
                Tensor output,
                SequenceContext context,
                Gradients gradients,
                Map<String, byte[]> randomState) {
            this.input = input;
            this.stored = stored;
            this.output = output;
            this.context = context;
            this.gradients = gradients;
            this.randomState = randomState;
        }

        @Override
        public Tensor tensor() {
            return output;
        }

        @Override
        public boolean isRecorded() {
            return true;
        }

        @Override
        public @Nullable Tensor backward(@Nullable Tensor gradient) {
            try (SegmentOutput again = runAgain()) {
                again.tensor().close();
                return again.backward(gradient);
            } finally {
                close();
            }
        }

        private SegmentOutput runAgain() {
            RandomGenerator random = RandomGenerator.current();
            Map<String, byte[]> after = random.state();
            random.restore(randomState);
            try {
                return chain.forward(stored == null ? input : stored.load(), context, gradients);
            } finally {
                random.restore(after);
            }
        }

        @Override
        public void close() {
            input.close();
            if (stored != null) {
                stored.close();
            }
        }
    }
}
