package org.finetune4j.train.objective;

import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.LossOptions;

/**
 * Cross entropy of the next token, the mean over labelled tokens. It is measured without the options' additions, so that its
 * exponential is the perplexity.
 *
 * @param options what is added to it in training
 */
public record CrossEntropy(LossOptions options) implements Objective {

    @Override
    public boolean isSumOverRows(Batch batch) {
        return true;
    }

    @Override
    public long count(Batch batch) {
        return batch.labelledTokens();
    }

    @Override
    public LossHead head(DecoderModel network, Batch batch, double scale) {
        return LanguageModelLoss.of(network, batch, scale, options);
    }

    @Override
    public Objective forEvaluation() {
        return new CrossEntropy(LossOptions.crossEntropy());
    }
}
