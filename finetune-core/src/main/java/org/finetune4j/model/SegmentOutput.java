package org.finetune4j.model;

import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** What a segment's forward run gave and, where it was recorded, what it keeps to go back, once. */
public interface SegmentOutput extends AutoCloseable {

    /**
     * The output, cut off from what made it. It belongs to the caller's scope, and to whom it is handed on.
     *
     * @return [batch, seq, hidden]; of a head the loss, one number in float64
     */
    Tensor tensor();

    /** {@return whether the run was recorded, so that it can go back} */
    boolean isRecorded();

    /**
     * Goes back: adds the gradients of what trains to their own, frees what was kept.
     *
     * @param gradient d(loss)/d(output), which this takes over; null where the output is the loss itself
     * @return d(loss)/d(input), which belongs to the caller's scope; null where it was not asked for, or the loss does not
     *     depend on the input
     * @throws IllegalStateException when the run was not recorded, or has gone back or been given up
     */
    @Nullable
    Tensor backward(@Nullable Tensor gradient);

    /** Gives up what is kept; the output stays. Closing twice, or after {@link #backward}, is fine. */
    @Override
    void close();

    /**
     * What a recorded segment goes back from, once.
     *
     * @param gradient that arrived
     * @param kept whether the segment still has what it kept
     * @return the gradient
     * @throws IllegalStateException when there is none, or the segment has gone back
     */
    static Tensor arrived(@Nullable Tensor gradient, boolean kept) {
        if (gradient == null) {
            throw new IllegalStateException("this segment gives no loss to go back from");
        }
        if (!kept) {
            throw new IllegalStateException("a segment goes back once");
        }
        return gradient;
    }

    /**
     * The output of a run that was not recorded.
     *
     * @param tensor the output
     * @return keeps nothing
     */
    static SegmentOutput unrecorded(Tensor tensor) {
        return new Unrecorded(tensor);
    }

    /**
     * An output that keeps nothing.
     *
     * @param tensor the output
     */
    record Unrecorded(Tensor tensor) implements SegmentOutput {

        @Override
        public boolean isRecorded() {
            return false;
        }

        @Override
        public @Nullable Tensor backward(@Nullable Tensor gradient) {
            throw new IllegalStateException("a segment that was not recorded cannot go back");
        }

        @Override
        public void close() {}
    }
}
