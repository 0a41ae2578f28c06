package org.finetune4j.train.gradient;

import java.util.function.UnaryOperator;
import org.finetune4j.nn.Portion;
import org.jspecify.annotations.Nullable;

/**
 * What goes through the model here of a batch that several ranks may have parts of: what is a function of the whole batch, as
 * the balance of experts is, needs to know of the others.
 *
 * @param counts false for rows that only keep the others company
 * @param sum adds up numbers over all parts: every rank calls it at the same places
 * @param portion which of the whole batch's numbers are drawn for this part; null where it is the whole batch
 * @param seed of all that is drawn on the way, as dropout and noise; null to draw from the thread's generator
 */
public record BatchPart(
        boolean counts,
        UnaryOperator<double[]> sum,
        @Nullable Portion portion,
        @Nullable Long seed) {

    /** All of a batch. */
    public static final BatchPart WHOLE = new BatchPart(true, numbers -> numbers, null, null);

    /**
     * The same with draws of its own.
     *
     * @param newSeed of the batch, the same on every rank that has a part of it
     * @return another one
     */
    public BatchPart withSeed(long newSeed) {
        return new BatchPart(counts, sum, portion, newSeed);
    }
}
