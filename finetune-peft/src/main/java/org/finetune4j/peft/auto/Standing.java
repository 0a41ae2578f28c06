package org.finetune4j.peft.auto;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * How a candidate stands.
 *
 * @param candidate what is tried
 * @param trainable scalars that train; 0 where it could not be put on the model
 * @param peakBytes memory that a training of it takes at its peak, by the memory plan
 * @param scores at the end of every rung that it was in
 * @param left why it left the search, or null while it has not
 */
public record Standing(
        Candidate candidate,
        long trainable,
        long peakBytes,
        List<RungScore> scores,
        @Nullable String left) {

    /**
     * What held-out samples gave at the end of a rung.
     *
     * @param steps that it had trained by then
     * @param loss of the held-out samples
     * @param seconds that the rung took it
     */
    public record RungScore(long steps, double loss, double seconds) {}

    /**
     * Copies the scores.
     *
     * @param candidate what is tried
     * @param trainable scalars that train; 0 where it could not be put on the model
     * @param peakBytes memory that a training of it takes at its peak, by the memory plan
     * @param scores at the end of every rung that it was in
     * @param left why it left the search, or null while it has not
     */
    public Standing {
        scores = List.copyOf(scores);
    }

    /**
     * The last held-out loss.
     *
     * @return none before the end of its first rung
     */
    public OptionalDouble loss() {
        return scores.isEmpty()
                ? OptionalDouble.empty()
                : OptionalDouble.of(scores.get(scores.size() - 1).loss());
    }

    /**
     * Steps that it has trained.
     *
     * @return up to its last score
     */
    public long steps() {
        return scores.isEmpty() ? 0 : scores.get(scores.size() - 1).steps();
    }

    Standing scored(RungScore score) {
        List<RungScore> more = new ArrayList<>(scores);
        more.add(score);
        return new Standing(candidate, trainable, peakBytes, more, left);
    }

    Standing left(String reason) {
        return new Standing(candidate, trainable, peakBytes, scores, reason);
    }

    boolean isIn() {
        return left == null;
    }
}
