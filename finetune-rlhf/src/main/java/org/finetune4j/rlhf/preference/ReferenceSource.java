package org.finetune4j.rlhf.preference;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.objective.Ranks;
import org.jspecify.annotations.Nullable;

/**
 * Where a training has its reference from: the base below its adapter, asked for every batch, or numbers that samples bring
 * from before the first step.
 *
 * @param model is asked about batches that bring nothing; null before the training begins, and where nothing is asked
 * @param samples those that are to bring what the reference says
 * @param early whether they do although the base stays there to ask
 * @param asItStarts whether the reference is the model as the training finds it, with the adapter that it goes on with
 */
record ReferenceSource(@Nullable ReferenceModel model, List<Kept> samples, boolean early, boolean asItStarts) {

    /** Nothing is known: batches have to bring everything. */
    static final ReferenceSource NONE = new ReferenceSource(null, List.of(), false, false);

    /**
     * Samples and the file that keeps what the reference says about them.
     *
     * @param samples the samples
     * @param file or null for none
     */
    record Kept(ReferencedSamples samples, @Nullable Path file) {}

    ReferenceSource {
        samples = List.copyOf(samples);
    }

    /** A training begins: a method that changes the base itself leaves no reference to ask later. */
    ReferenceSource on(CausalLM trained, AttachedStrategy method, Ranks ranks) {
        if (method.trainableParameters().isEmpty() && !(method instanceof Adapter)) {
            throw new UserErrorException(
                    "the answers are compared with a reference, which is the model below its adapter, and there"
                            + " is no adapter: measure an adapter on its base");
        }
        boolean stays = method instanceof Adapter && !asItStarts;
        ReferenceModel base = stays && method instanceof Adapter adapter
                ? ReferenceModel.below(trained, adapter)
                : ReferenceModel.now(trained);
        if (early || !stays) {
            samples.forEach(kept -> kept.samples.know(base, kept.file, ranks));
        }
        return new ReferenceSource(stays ? base : null, samples, early, asItStarts);
    }
}
