package org.finetune4j.train.steps;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.train.objective.Objective;

/**
 * The batches of one optimizer step. Its loss is a sum over objectives, each the mean over what its own batches count
 * together: a batch that is split in two changes nothing.
 *
 * @param batches at least one, in the order in which they go through the model
 */
public record StepBatches(List<StepBatch> batches) {

    /**
     * Copies the list.
     *
     * @param batches at least one, in the order in which they go through the model
     */
    public StepBatches {
        batches = List.copyOf(batches);
        if (batches.isEmpty()) {
            throw new IllegalArgumentException("a step needs at least one batch");
        }
    }

    /**
     * Batches that all have the same objective.
     *
     * @param batches at least one
     * @param objective what they make small
     * @return the batches of a step
     */
    public static StepBatches of(List<Batch> batches, Objective objective) {
        return new StepBatches(
                batches.stream().map(batch -> new StepBatch(batch, objective)).toList());
    }

    /** {@return what the batches of each objective count together} */
    public Map<Objective, Long> counts() {
        Map<Objective, Long> counts = new HashMap<>();
        for (StepBatch part : batches) {
            counts.merge(part.objective(), part.objective().count(part.batch()), Long::sum);
        }
        return counts;
    }

    /** {@return tokens that go through the model, padding left out} */
    public long tokens() {
        return batches.stream().mapToLong(part -> part.batch().realTokens()).sum();
    }
}
