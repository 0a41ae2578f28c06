package org.finetune4j.rlhf.preference;

import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.objective.TokenObjective;
import org.jspecify.annotations.Nullable;

/** An objective that may compare the model with a reference: batches bring its log-probabilities, or it is asked for them. */
abstract class ReferencedObjective implements TokenObjective {

    private final @Nullable ReferenceModel reference;

    ReferencedObjective(@Nullable ReferenceModel reference) {
        this.reference = reference;
    }

    /** Whether there is a reference at all. */
    abstract boolean isReferenced();

    /** The same objective with a reference to ask. */
    abstract ReferencedObjective asking(ReferenceModel newReference);

    /** Below an adapter lies the reference; every other method changes it, so that batches have to bring what it said. */
    @Override
    public Objective on(CausalLM model, AttachedStrategy method) {
        return isReferenced() && method instanceof Adapter adapter
                ? asking(ReferenceModel.below(model, adapter))
                : this;
    }

    @Override
    public LossHead head(DecoderModel network, Batch batch, double scale) {
        return TokenObjective.super.head(network, reference == null ? batch : reference.complete(batch), scale);
    }

    /** The reference's log-probability of each part of a batch; zeros where there is no reference. */
    final double[] reference(Batch batch, AnswerTokens parts) {
        if (!isReferenced()) {
            return new double[parts.parts()];
        }
        double[] all = AnswerTokens.flat(batch, PreferenceColumns.REFERENCE);
        if (all.length != parts.parts()) {
            throw new UserErrorException("the batch has " + parts.parts() + " answers and prompts, and '"
                    + PreferenceColumns.REFERENCE + "' is for " + all.length);
        }
        return all;
    }
}
