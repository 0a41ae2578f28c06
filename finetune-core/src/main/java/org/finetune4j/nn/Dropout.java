package org.finetune4j.nn;

import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/**
 * Dropout (Srivastava et al. 2014). Whether it is on is a property of the thread, like autograd's mode: it is on inside a
 * training step only, in the recomputation of a checkpointed layer as in its first computation.
 */
public final class Dropout {

    private static final ThreadLocal<Boolean> ACTIVE = ThreadLocal.withInitial(() -> false);

    private Dropout() {}

    /** A mode that ends when closed. */
    public static final class Mode implements AutoCloseable {

        private final boolean previous = ACTIVE.get();

        private Mode(boolean active) {
            ACTIVE.set(active);
        }

        @Override
        public void close() {
            ACTIVE.set(previous);
        }
    }

    /**
     * Turns dropout on or off on this thread until the mode closes.
     *
     * @param active whether elements are dropped
     * @return ends it
     */
    public static Mode mode(boolean active) {
        return new Mode(active);
    }

    /**
     * Drops elements with the given probability and scales up the others, where dropout is on.
     *
     * @param x of any shape
     * @param probability of an element to be dropped
     * @return what is left
     */
    public static Tensor apply(Tensor x, double probability) {
        return probability > 0 && ACTIVE.get() ? Functional.dropout(x, probability) : x;
    }

    /**
     * {@code probability} where dropout is on, else 0.
     *
     * @param probability of an element to be dropped
     * @return the probability to use
     */
    public static double probability(double probability) {
        return ACTIVE.get() ? probability : 0;
    }
}
