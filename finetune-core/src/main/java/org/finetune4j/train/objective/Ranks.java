package org.finetune4j.train.objective;

import java.io.IOException;
import java.io.UncheckedIOException;

/** What the ranks of a training agree on by the first one's word. A process by itself is the first rank. */
public interface Ranks {

    /**
     * Numbers that decide what the run does next, which every rank has calculated.
     *
     * @param numbers this rank's, as many on every rank
     * @return the first rank's
     */
    default double[] ofFirst(double... numbers) {
        return numbers;
    }

    /**
     * Does something on the first rank; the others help, and return when it is done. When it fails it fails on all ranks.
     *
     * @param work what is done
     */
    default void onFirst(SharedWork work) {
        try {
            work.first(directory -> {});
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
