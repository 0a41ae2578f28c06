package org.finetune4j.train.gradient;

import java.util.function.UnaryOperator;

/**
 * Which part of a batch goes through the model here, where several ranks have parts of one: what is a function of the whole batch, as
 * the balance of experts is, needs to know of the others.
 *
 * @param counts false for rows that only keep the others company
 * @param sum adds up numbers over all parts: every rank calls it at the same places
 */
public record BatchPart(boolean counts, UnaryOperator<double[]> sum) {

    /** All of a batch. */
    public static final BatchPart WHOLE = new BatchPart(true, numbers -> numbers);
}
