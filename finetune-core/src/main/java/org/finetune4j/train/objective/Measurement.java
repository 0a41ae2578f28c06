package org.finetune4j.train.objective;

import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.train.gradient.LossHead;

/** One evaluation by an objective: gives the head of every batch, remembers what it saw, and sums it up in the end. */
public interface Measurement {

    /**
     * The end of the chain of segments for one batch, whose loss is the sum over what the objective counts.
     *
     * @param network the model's layers
     * @param batch of held-out samples
     * @return the head
     */
    LossHead head(DecoderModel network, Batch batch);

    /**
     * What was seen so far.
     *
     * @return numbers by name, none for an objective that has its loss only
     */
    Map<String, Double> scores();

    /**
     * What is shown beside the scores.
     *
     * @return tables, none unless the objective has some
     */
    default List<ScoreTable> tables() {
        return List.of();
    }

    /**
     * An evaluation of the loss alone.
     *
     * @param objective whose loss
     * @return the measurement
     */
    static Measurement ofLoss(Objective objective) {
        return new Measurement() {
            @Override
            public LossHead head(DecoderModel network, Batch batch) {
                return objective.head(network, batch, 1);
            }

            @Override
            public Map<String, Double> scores() {
                return Map.of();
            }
        };
    }
}
