package org.finetune4j.nn;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Brings what a segment of a model needs to where it is needed, and lets it go again: decompresses weights, gathers shards,
 * fetches what was offloaded. A pass calls it around everything that it does with the embedding, a layer or the head; whoever
 * is told of one may prepare the next. A segment's parameters are those of the module that it is called with, the same
 * object every time: {@link Module#allParameters()}.
 *
 * <p>A run has a list of them, which every pass of its model calls on the pass's thread: going in in the order of the list,
 * coming out in the reverse order. What was entered is left, whatever fails. A layer's backward calls come after its forward
 * ones, and a checkpointed layer runs forwards twice. The gradients of the head are calculated while it runs, so its backward
 * calls come inside of the forward ones.
 */
public interface Residency {

    /**
     * Before a segment runs.
     *
     * @param segment {@code DecoderModel.embeddingPart()}, one of {@code layers()}, or {@code headPart()}
     */
    default void beforeForward(Module segment) {}

    /**
     * After a segment ran, or failed.
     *
     * @param segment the segment
     */
    default void afterForward(Module segment) {}

    /**
     * Before the gradients of a segment are calculated: its weights must be what they were when it ran, in the same memory.
     *
     * @param segment the segment
     */
    default void beforeBackward(Module segment) {}

    /**
     * After the gradients of a segment were calculated, or that failed.
     *
     * @param segment the segment
     */
    default void afterBackward(Module segment) {}

    /**
     * Does something forwards with a segment whose needs are in place.
     *
     * @param segment the segment
     * @param work what is done
     * @param <T> what it gives
     * @return what it gives
     */
    default <T> T forward(Module segment, Supplier<T> work) {
        beforeForward(segment);
        try {
            return work.get();
        } finally {
            afterForward(segment);
        }
    }

    /**
     * Does something backwards with a segment whose needs are in place.
     *
     * @param segment the segment
     * @param work what is done
     * @param <T> what it gives
     * @return what it gives
     */
    default <T extends @Nullable Object> T backward(Module segment, Supplier<T> work) {
        beforeBackward(segment);
        try {
            return work.get();
        } finally {
            afterBackward(segment);
        }
    }

    /**
     * Several, one inside of the other.
     *
     * @param all the outermost first
     * @return all of them
     */
    static Residency of(List<Residency> all) {
        List<Residency> nested = List.copyOf(all);
        return nested.size() == 1 ? nested.get(0) : new Nested(nested);
    }

    /**
     * Residencies inside of each other.
     *
     * @param all the outermost first
     */
    record Nested(List<Residency> all) implements Residency {

        @Override
        public void beforeForward(Module segment) {
            enter(one -> one.beforeForward(segment), one -> one.afterForward(segment));
        }

        @Override
        public void afterForward(Module segment) {
            leave(all, one -> one.afterForward(segment));
        }

        @Override
        public void beforeBackward(Module segment) {
            enter(one -> one.beforeBackward(segment), one -> one.afterBackward(segment));
        }

        @Override
        public void afterBackward(Module segment) {
            leave(all, one -> one.afterBackward(segment));
        }

        private void enter(Consumer<Residency> before, Consumer<Residency> after) {
            List<Residency> entered = new ArrayList<>();
            try {
                for (Residency one : all) {
                    before.accept(one);
                    entered.add(one);
                }
            } catch (RuntimeException | Error failure) {
                try {
                    leave(entered, after);
                } catch (RuntimeException | Error further) {
                    failure.addSuppressed(further);
                }
                throw failure;
            }
        }

        /** The innermost first, all of them even if one fails. */
        private static void leave(List<Residency> entered, Consumer<Residency> after) {
            @Nullable Throwable failure = null;
            for (int i = entered.size() - 1; i >= 0; i--) {
                try {
                    after.accept(entered.get(i));
                } catch (RuntimeException | Error e) {
                    if (failure == null) {
                        failure = e;
                    } else {
                        failure.addSuppressed(e);
                    }
                }
            }
            if (failure instanceof RuntimeException e) {
                throw e;
            }
            if (failure instanceof Error e) {
                throw e;
            }
        }
    }
}
