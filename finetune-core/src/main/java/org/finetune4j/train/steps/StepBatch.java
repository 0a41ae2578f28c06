package org.finetune4j.train.steps;

import org.finetune4j.data.Batch;
import org.finetune4j.train.objective.Objective;

/**
 * A batch of a step with what it makes small.
 *
 * @param batch with the columns that the objective needs
 * @param objective batches of a step that have equal ones are normalised together
 * @param weight what this batch's part of the step's loss is multiplied by
 * @param prepare run before the batch goes through the model, such as to switch to another adapter; what it does stays
 */
public record StepBatch(Batch batch, Objective objective, double weight, Runnable prepare) {

    /**
     * A batch that counts as it is, for the model as it is.
     *
     * @param batch with the columns that the objective needs
     * @param objective what it makes small
     */
    public StepBatch(Batch batch, Objective objective) {
        this(batch, objective, 1, () -> {});
    }

    /**
     * The same for other rows.
     *
     * @param rows a part of the batch
     * @return another one
     */
    public StepBatch with(Batch rows) {
        return new StepBatch(rows, objective, weight, prepare);
    }
}
