package org.finetune4j.nn;

import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Whether a pass drops elements (Srivastava et al. 2014). It goes with the pass's {@link SequenceContext}: on in a training
 * step only, in the recomputation of a checkpointed layer as in its first computation.
 */
public final class Dropout {

    /** Elements are dropped, as the layers' probabilities say. */
    public static final Dropout ON = new Dropout(true, null);

    /** Nothing is dropped. */
    public static final Dropout OFF = new Dropout(false, null);

    private final boolean drops;
    private final @Nullable SequenceDivision division;

    private Dropout(boolean drops, @Nullable SequenceDivision division) {
        this.drops = drops;
        this.division = division;
    }

    /**
     * What a pass says.
     *
     * @param context of the pass, or null where nothing is known about one
     * @return the context's own, off without one
     */
    public static Dropout of(@Nullable SequenceContext context) {
        return context == null ? OFF : context.dropout();
    }

    /** {@return whether elements are dropped at all} */
    public boolean isOn() {
        return drops;
    }

    /**
     * The same for a layer between whose blocks each process has some of the tokens.
     *
     * @param tokens which
     * @return dropout for them
     */
    Dropout by(SequenceDivision tokens) {
        return drops ? new Dropout(true, tokens) : this;
    }

    /**
     * Drops elements with the given probability and scales up the others, where dropout is on.
     *
     * @param x of any shape
     * @param probability of an element to be dropped
     * @return what is left
     */
    public Tensor apply(Tensor x, double probability) {
        if (probability(probability) <= 0) {
            return x;
        }
        return division == null ? Functional.dropout(x, probability) : division.dropout(x, probability);
    }

    /**
     * {@code probability} where dropout is on, else 0.
     *
     * @param probability of an element to be dropped
     * @return the probability to use
     */
    public double probability(double probability) {
        return drops ? probability : 0;
    }
}
