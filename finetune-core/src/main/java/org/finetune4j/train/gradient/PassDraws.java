package org.finetune4j.train.gradient;

import java.util.SplittableRandom;
import java.util.function.Supplier;
import org.finetune4j.model.Segment;
import org.finetune4j.model.SegmentOutput;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;

/**
 * The random numbers of a batch's way through a model: a seed decides those of every segment, whoever runs it, whenever, and how often.
 * So ranks that have some of the segments each, or some of the batches, draw what one process draws.
 *
 * @param seed of the batch
 * @param generator begins anew for every segment; its thread's alone
 */
record PassDraws(long seed, RandomGenerator generator) {

    /** What is made before all segments: this number and those below are no segment's. */
    static final int BEFORE = -1;

    /**
     * Does what draws for a segment.
     *
     * @param number of the segment in the chain, or {@link #BEFORE}
     */
    <T> T during(int number, Supplier<T> work) {
        // A generator of a CPU takes half of the bits: neighbours have to differ in all of them.
        generator.restart(new SplittableRandom(seed + number).nextLong());
        try (RandomGenerator.Use use = generator.use()) {
            return work.get();
        }
    }

    /** The same segment, which draws its own numbers whenever it runs. */
    Segment of(int number, Segment segment) {
        return new Segment() {
            @Override
            public boolean trains(SequenceContext context) {
                return segment.trains(context);
            }

            @Override
            public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
                return during(number, () -> segment.forward(input, context, gradients));
            }
        };
    }
}
