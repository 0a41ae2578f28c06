package org.finetune4j.nn;

import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Whether a pass drops elements (Srivastava et al. 2014). It goes with the pass's {@link SequenceContext}: on in a training
 * step only, in the recomputation of a checkpointed layer as in its first computation.
 */
public enum Dropout {
    /** Elements are dropped, as the layers' probabilities say. */
    ON,
    /** Nothing is dropped. */
    OFF;

    /**
     * What a pass says.
     *
     * @param context of the pass, or null where nothing is known about one
     * @return the context's own, off without one
     */
    public static Dropout of(@Nullable SequenceContext context) {
        return context == null ? OFF : context.dropout();
    }

    /**
     * Drops elements with the given probability and scales up the others, where dropout is on.
     *
     * @param x of any shape
     * @param probability of an element to be dropped
     * @return what is left
     */
    public Tensor apply(Tensor x, double probability) {
        return probability(probability) > 0 ? Functional.dropout(x, probability) : x;
    }

    /**
     * {@code probability} where dropout is on, else 0.
     *
     * @param probability of an element to be dropped
     * @return the probability to use
     */
    public double probability(double probability) {
        return this == ON ? probability : 0;
    }
}
