package org.finetune4j.rlhf.preference;

import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.objective.Measurement;
import org.finetune4j.train.objective.Ranks;
import org.finetune4j.train.objective.TokenObjective;

/** An objective that may compare the model with a reference: batches bring its log-probabilities, or it is asked for them. */
abstract class ReferencedObjective implements TokenObjective {

    private final ReferenceSource reference;

    ReferencedObjective(ReferenceSource reference) {
        this.reference = reference;
    }

    /** Whether there is a reference at all. */
    abstract boolean isReferenced();

    /** The same objective with another reference. */
    abstract ReferencedObjective with(ReferenceSource newReference);

    @Override
    public ReferencedObjective on(CausalLM model, AttachedStrategy method, Ranks ranks) {
        return isReferenced() ? with(reference.on(model, method, ranks)) : this;
    }

    @Override
    public LossHead head(DecoderModel network, Batch batch, double scale) {
        return TokenObjective.super.head(network, complete(batch), scale);
    }

    @Override
    public Measurement measurement() {
        return new PreferenceMeasurement(this);
    }

    /** The batch with what the reference says about it, where there is one to ask. */
    final Batch complete(Batch batch) {
        ReferenceModel asked = reference.model();
        return asked == null ? batch : asked.complete(batch);
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
