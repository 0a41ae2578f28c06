package org.finetune4j.train.objective;

import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.train.gradient.LogprobLoss;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.TokenLogprobs;

/**
 * An objective that needs no more than how likely the model finds the labelled tokens: preferences, policy gradients,
 * distillation of single tokens. It says what the loss is and how it changes with each of these numbers; scores of the whole
 * vocabulary never exist for more than some tokens at a time.
 */
public interface TokenObjective extends Objective {

    @Override
    default long count(Batch batch) {
        return batch.labelledTokens();
    }

    /** {@return whether the loss looks at {@link TokenLogprobs#collisions}, which cost a further sum over the vocabulary} */
    default boolean readsCollisions() {
        return false;
    }

    /**
     * The loss of one batch, summed over what {@link #count} counts.
     *
     * @param batch with its columns, such as another model's log-probabilities or advantages
     * @param logprobs what the model gives the batch's labelled tokens
     * @return the loss and its derivative
     */
    LogprobLoss.Value loss(Batch batch, TokenLogprobs logprobs);

    @Override
    default LossHead head(DecoderModel network, Batch batch, double scale) {
        return LogprobLoss.of(
                network, batch, scale, count(batch), readsCollisions(), logprobs -> loss(batch, logprobs));
    }
}
