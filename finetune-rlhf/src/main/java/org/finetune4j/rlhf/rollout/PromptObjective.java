package org.finetune4j.rlhf.rollout;

import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.IndexRange;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.objective.Objective;

/** What a dataset of prompts is checked by: there is nothing in them to learn, the answers are to come. */
final class PromptObjective implements Objective {

    @Override
    public long count(Batch batch) {
        return batch.batchSize();
    }

    @Override
    public boolean teaches(Sample sample) {
        return true;
    }

    @Override
    public void require(DecoderModel network, Sample sample) {
        IndexRange.require(
                "token id",
                sample.inputIds(),
                sample.length(),
                network.inputEmbedding().count());
    }

    @Override
    public LossHead head(DecoderModel network, Batch batch, double scale) {
        throw new IllegalStateException("prompts have no loss: the steps come from rollouts");
    }
}
