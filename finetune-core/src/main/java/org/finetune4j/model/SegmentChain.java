package org.finetune4j.model;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Segments in their order, seen as one. This is the loop that training, evaluation, generation and those who look into a
 * model share. What lies before the first segment that trains is not recorded.
 */
public final class SegmentChain implements Segment {

    private final List<Segment> segments;

    /**
     * Joins segments.
     *
     * @param segments each takes what the one before it gives; at least one
     */
    public SegmentChain(List<? extends Segment> segments) {
        if (segments.isEmpty()) {
            throw new IllegalArgumentException("a chain has at least one segment");
        }
        this.segments = List.copyOf(segments);
    }

    /** Sees what the segments give. */
    @FunctionalInterface
    public interface Visitor {

        /**
         * Told after each segment.
         *
         * @param segment its number in the chain, from 0
         * @param output [batch, seq, hidden], which is closed when the next segment has run
         * @return whether to go on
         */
        boolean after(int segment, Tensor output);
    }

    @Override
    public boolean trains(SequenceContext context) {
        return segments.stream().anyMatch(segment -> segment.trains(context));
    }

    @Override
    public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients) {
        return forward(input, context, gradients, (segment, output) -> true);
    }

    /**
     * As {@link #forward(Tensor, SequenceContext, Gradients)}, shown to somebody.
     *
     * @param input of the first segment
     * @param context what the layers know about the batch
     * @param gradients what the backward run will be asked for
     * @param visitor sees every segment's output
     * @return the output of the last segment, or of the one after which the visitor ended it
     */
    public SegmentOutput forward(Tensor input, SequenceContext context, Gradients gradients, Visitor visitor) {
        List<SegmentOutput> recorded = new ArrayList<>();
        Tensor hidden = input;
        try {
            for (int i = 0; i < segments.size(); i++) {
                Segment segment = segments.get(i);
                Gradients own = own(segment, context, gradients, !recorded.isEmpty());
                SegmentOutput output = segment.forward(hidden, context, own);
                if (output.isRecorded()) {
                    recorded.add(output);
                } else if (hidden != input) {
                    hidden.close();
                }
                hidden = output.tensor();
                if (!visitor.after(i, hidden)) {
                    break;
                }
            }
        } catch (RuntimeException | Error e) {
            recorded.forEach(SegmentOutput::close);
            if (hidden != input) {
                hidden.close();
            }
            throw e;
        }
        if (recorded.isEmpty()) {
            return SegmentOutput.unrecorded(hidden);
        }
        return new Recorded(input, hidden, recorded);
    }

    /** A segment has its input's gradient to find if something before it trains. */
    private static Gradients own(
            Segment segment, SequenceContext context, Gradients gradients, boolean recordedBefore) {
        if (gradients == Gradients.OF_INPUT || recordedBefore) {
            return Gradients.OF_INPUT;
        }
        if (gradients == Gradients.LATER) {
            return gradients;
        }
        return gradients.wanted() && segment.trains(context) ? Gradients.OF_PARAMETERS : Gradients.NONE;
    }

    /** The runs that were recorded: all from the first one that was. */
    private record Recorded(Tensor input, Tensor tensor, List<SegmentOutput> runs) implements SegmentOutput {

        @Override
        public boolean isRecorded() {
            return true;
        }

        @Override
        public @Nullable Tensor backward(@Nullable Tensor gradient) {
            try {
                Tensor arrived = runs.get(runs.size() - 1).backward(gradient);
                for (int i = runs.size() - 2; i >= 0 && arrived != null; i--) {
                    arrived = runs.get(i).backward(arrived);
                }
                return arrived;
            } finally {
                close();
            }
        }

        @Override
        public void close() {
            runs.forEach(SegmentOutput::close);
            input.close();
        }
    }
}
