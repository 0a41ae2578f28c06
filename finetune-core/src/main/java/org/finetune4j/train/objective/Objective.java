package org.finetune4j.train.objective;

import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.IndexRange;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.gradient.LossHead;

/**
 * What a training makes small. A step's loss is the sum over its batches divided by what they count together, so that a batch
 * split in two changes nothing.
 */
public interface Objective {

    /**
     * How much a batch counts: its labelled tokens, its sequences, its pairs.
     *
     * @param batch the batch
     * @return at least 0
     */
    long count(Batch batch);

    /**
     * Whether a batch's loss is the sum over its rows, each of which knows nothing of the others: several ranks may then have some
     * of them each.
     *
     * @param batch the batch
     * @return false where the batch counts as a whole
     */
    default boolean isSumOverRows(Batch batch) {
        return false;
    }

    /**
     * Whether a sample teaches anything; a training that has one which does not is refused before it starts.
     *
     * @param sample the sample
     * @return whether it does
     */
    default boolean teaches(Sample sample) {
        return sample.labelledTokens() > 0;
    }

    /**
     * Whether a sample can be learned from at all: whatever is wrong with it is wrong with a batch of it alone.
     *
     * @param network the model's layers
     * @param sample the sample
     * @throws org.finetune4j.UserErrorException when it does not have what this objective or the model needs
     */
    default void require(DecoderModel network, Sample sample) {
        IndexRange.require(
                "token id",
                sample.inputIds(),
                sample.length(),
                network.inputEmbedding().count());
        head(network, new Collator(0, 1).collate(List.of(sample)), 1);
    }

    /**
     * The end of the chain of segments for one batch.
     *
     * @param network the model's layers
     * @param batch with whatever columns this objective needs
     * @param scale what the sum over the batch is multiplied by: 1 / what the whole step counts makes the step's loss a mean
     * @return the head
     * @throws org.finetune4j.UserErrorException when the batch does not have what this objective or the model needs
     */
    LossHead head(DecoderModel network, Batch batch, double scale);

    /**
     * This objective for a training that begins, where it asks the model more than what a batch gives: what its base says
     * without the method, for one.
     *
     * @param model that trains
     * @param method on the model
     * @param ranks of the group whose ranks all call this, each with its share of the model; they run the model together, and the
     *     first one writes what is kept
     * @return this one, unless it has to know them
     * @throws org.finetune4j.UserErrorException when the method does not allow what the objective needs
     */
    default Objective on(CausalLM model, AttachedStrategy method, Ranks ranks) {
        return this;
    }

    /**
     * What this objective has in memory beside the model that trains and the scores of labels: a second model, for one.
     *
     * @param model that trains
     * @return bytes
     */
    default long companionBytes(CausalLM model) {
        return 0;
    }

    /**
     * What held-out samples are measured by.
     *
     * @return this one, unless it adds to what it is for
     */
    default Objective forEvaluation() {
        return this;
    }

    /**
     * Adds what follows from means over a whole step, and is none itself: the difference of two means over different answers is not the
     * mean of the batches' differences.
     *
     * @param means of what this objective's heads measured, over all batches of the step and all ranks, by name; is changed
     */
    default void derive(Map<String, Double> means) {}

    /**
     * Begins an evaluation by this objective.
     *
     * @return a new measurement; of the loss alone unless the objective has scores
     */
    default Measurement measurement() {
        return Measurement.ofLoss(this);
    }
}
