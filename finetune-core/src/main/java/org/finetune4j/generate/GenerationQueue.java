package org.finetune4j.generate;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * Answers from their submission to their end: they wait in the order they came, run as soon as the decoder has room for them, take
 * over what others have read of their prompt, and leave their keys to those that come after them.
 *
 * <p>Any thread may submit; all else is called by one thread at a time.
 */
final class GenerationQueue {

    private final BatchDecoder decoder;
    private final Queue<GenerationWork> submitted = new ConcurrentLinkedQueue<>();
    private final Deque<GenerationWork> waiting = new ArrayDeque<>();
    private final List<GenerationWork> running = new ArrayList<>();

    /** @param decoder has the rows of the answers that run */
    GenerationQueue(BatchDecoder decoder) {
        this.decoder = decoder;
    }

    void submit(List<GenerationWork> works) {
        submitted.addAll(works);
    }

    boolean hasWork() {
        return !running.isEmpty() || !waiting.isEmpty() || !submitted.isEmpty();
    }

    /** Lets answers go that were cancelled, and as many in as there is room for. */
    void admit(int maxRows) {
        takeSubmitted();
        releaseCancelled();
        begin(maxRows);
        sharePrompts();
    }

    /** The answers that the next pass reads tokens of. */
    List<GenerationWork> reading() {
        return running.stream().filter(work -> !work.expectsPrompt()).toList();
    }

    /** Gives prompts that one answer has read to the others; of a prompt that none reads, the first answer does. */
    void sharePrompts() {
        for (GenerationWork work : running) {
            if (work.expectsPrompt()) {
                sharePrompt(work);
            }
        }
    }

    private void sharePrompt(GenerationWork work) {
        int shared = work.row().tokens().promptLength() - 1; // the last token is read for its scores
        GenerationWork source = null;
        boolean expected = false;
        for (GenerationWork sibling : work.siblings()) {
            boolean computes = running.contains(sibling) && !sibling.expectsPrompt();
            expected |= computes;
            if (computes && sibling.row().read() >= shared) {
                source = sibling;
            }
        }
        if (source != null && shared > 0) {
            decoder.copy(source.row(), work.row(), shared);
        }
        work.expectPrompt(expected && source == null);
        if (source == null && !expected && work.sharing() != null) {
            work.recalled(decoder.recall(work.row(), work.sharing()));
        }
    }

    /** Keeps prompts whose first scores were numbers for requests that come later. */
    void rememberPrompts(List<GenerationWork> read) {
        for (GenerationWork work : read) {
            if (work.sharing() != null
                    && work.row().tokens().newTokens() == 1
                    && work.sequence().number() == 0
                    && !work.sequence().isFailed()) {
                decoder.remember(work.row(), work.sharing());
            }
        }
    }

    /** Hands out the answers that have ended. */
    void releaseFinished() {
        for (GenerationWork work : List.copyOf(running)) {
            if (work.sequence().isFinished()) {
                release(work);
            }
        }
        if (running.isEmpty()) {
            decoder.idle();
        }
    }

    void cancelAll() {
        takeSubmitted();
        List<GenerationWork> all = new ArrayList<>(running);
        all.addAll(waiting);
        running.clear();
        waiting.clear();
        for (GenerationWork work : all) {
            decoder.remove(work.row());
            work.cancel();
        }
    }

    private void takeSubmitted() {
        for (GenerationWork work = submitted.poll(); work != null; work = submitted.poll()) {
            waiting.add(work);
        }
    }

    private void releaseCancelled() {
        for (GenerationWork work : List.copyOf(running)) {
            if (work.sequence().isCancelled()) {
                work.sequence().finish(FinishReason.CANCELLED);
                release(work);
            }
        }
        waiting.removeIf(work -> {
            boolean cancelled = work.sequence().isCancelled();
            if (cancelled) {
                work.cancel();
            }
            return cancelled;
        });
    }

    /** Lets answers in as they came: one that needs more room than there is holds up those behind it. */
    private void begin(int maxRows) {
        while (!waiting.isEmpty() && running.size() < maxRows) {
            GenerationWork next = waiting.element();
            int tokens = next.sequence().mostTokens();
            boolean room = next.keepsRow() ? decoder.extend(next.row(), tokens) : decoder.add(next.row(), tokens);
            if (!room) {
                return;
            }
            waiting.remove();
            next.expectPrompt(!next.keepsRow());
            running.add(next);
        }
    }

    private void release(GenerationWork work) {
        running.remove(work);
        if (work.sequence().isFailed()) {
            decoder.clear(work.row());
        } else if (work.sharing() != null && work.row().tokens().newTokens() > 1) { // as the next turn may begin
            decoder.remember(work.row(), work.sharing());
        }
        if (!work.keepsRow()) {
            decoder.remove(work.row());
        }
        work.end();
    }
}
