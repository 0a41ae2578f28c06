package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One answer on its way through a {@link GenerationQueue}, with the request it belongs to. */
final class GenerationWork {

    private final RunningSequence sequence;
    private final GenerationHandle handle;
    private final boolean keepsRow;
    private final @Nullable Object sharing;
    private final List<GenerationWork> siblings;
    private boolean expectsPrompt;

    private GenerationWork(
            RunningSequence sequence,
            GenerationHandle handle,
            boolean keepsRow,
            @Nullable Object sharing,
            List<GenerationWork> siblings) {
        this.sequence = sequence;
        this.handle = handle;
        this.keepsRow = keepsRow;
        this.sharing = keepsRow ? null : sharing;
        this.siblings = siblings;
    }

    /**
     * The answers of a request, one of which reads the prompt for all.
     *
     * @param keepsRow whether the answer goes on in a row that stays when it ends
     * @param sharing what requests that may share keys have in common, or null
     */
    static List<GenerationWork> ofOnePrompt(
            List<RunningSequence> sequences, GenerationHandle handle, boolean keepsRow, @Nullable Object sharing) {
        List<GenerationWork> siblings = new ArrayList<>();
        sequences.forEach(sequence -> siblings.add(new GenerationWork(sequence, handle, keepsRow, sharing, siblings)));
        return siblings;
    }

    RunningSequence sequence() {
        return sequence;
    }

    DecoderRow row() {
        return sequence.row();
    }

    boolean keepsRow() {
        return keepsRow;
    }

    /** What requests that may share keys have in common; null where the row stays, which nobody else reads. */
    @Nullable
    Object sharing() {
        return sharing;
    }

    /** The answers to the same prompt, this one among them. */
    List<GenerationWork> siblings() {
        return siblings;
    }

    /** Whether the prompt's keys are going to come from another answer, which has not read it yet. */
    boolean expectsPrompt() {
        return expectsPrompt;
    }

    void expectPrompt(boolean expected) {
        expectsPrompt = expected;
    }

    /** Tells the request how many tokens of its prompt did not have to be read. */
    void recalled(int tokens) {
        handle.recalled(tokens);
    }

    /** Cancels the answer and tells the request. */
    void cancel() {
        sequence.finish(FinishReason.CANCELLED);
        end();
    }

    /** Hands the answer, which has ended, to the request. */
    void end() {
        handle.ended(sequence.result());
    }
}
