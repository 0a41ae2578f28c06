package org.finetune4j.train.objective;

/**
 * A number that an objective gives held-out samples beside the loss, and by which the best model can be chosen.
 *
 * @param name such as {@code accuracy}
 * @param greaterIsBetter whether a larger one is better
 */
public record Score(String name, boolean greaterIsBetter) {}
