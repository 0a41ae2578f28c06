package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/** A request that a {@link GenerationEngine} works on. Any thread may ask and cancel. */
public final class GenerationHandle {

    private final List<RunningSequence> answers;
    private final @Nullable Rollout[] rollouts;
    private final CompletableFuture<List<Rollout>> result = new CompletableFuture<>();
    private int missing;
    private volatile int cachedTokens;

    GenerationHandle(List<RunningSequence> answers) {
        this.answers = List.copyOf(answers);
        this.rollouts = new Rollout[answers.size()];
        this.missing = answers.size();
    }

    /** {@return completed with all answers in their order, when the last of them has ended} */
    public CompletableFuture<List<Rollout>> result() {
        return result.copy();
    }

    /** {@return whether all answers have ended} */
    public boolean isDone() {
        return result.isDone();
    }

    /** {@return how many tokens of the prompt were not computed, since an earlier request had them; final when the result is there} */
    public int cachedTokens() {
        return cachedTokens;
    }

    /** Says how many tokens an answer did not have to read. */
    void recalled(int tokens) {
        cachedTokens = Math.max(cachedTokens, tokens);
    }

    /** Ends all answers that are not complete; they keep what they have. */
    public void cancel() {
        answers.forEach(RunningSequence::cancel);
    }

    /**
     * Ends one answer, unless it is complete; it keeps what it has.
     *
     * @param answer its number
     */
    public void cancel(int answer) {
        answers.get(answer).cancel();
    }

    /** The answers, all of which have ended. */
    List<Rollout> rollouts() {
        return result.join();
    }

    /** What an answer failed of that has ended, or null. */
    @Nullable
    RuntimeException failure() {
        for (Rollout rollout : rollouts) {
            if (rollout != null && rollout.failure() != null) {
                return rollout.failure();
            }
        }
        return null;
    }

    /** Takes an answer that has ended. */
    void ended(Rollout rollout) {
        rollouts[rollout.answer()] = rollout;
        missing--;
        if (missing == 0) {
            List<Rollout> all = new ArrayList<>();
            for (Rollout each : rollouts) {
                if (each != null) {
                    all.add(each);
                }
            }
            result.complete(List.copyOf(all));
        }
    }
}
