package org.finetune4j.rlhf.preference;

import java.nio.file.Path;
import java.util.OptionalInt;
import org.finetune4j.data.LengthGrouped;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.train.objective.Ranks;
import org.jspecify.annotations.Nullable;

/** Samples that may bring a reference model's log-probabilities, once those are known. */
final class ReferencedSamples implements TrainingDataset {

    private final TrainingDataset source;
    private volatile float @Nullable [][] reference;

    ReferencedSamples(TrainingDataset source) {
        this.source = source;
    }

    /** Those that a training's samples are, measured or not; null for others. */
    static @Nullable ReferencedSamples in(@Nullable TrainingDataset dataset) {
        TrainingDataset inner = dataset instanceof LengthGrouped grouped ? grouped.source() : dataset;
        return inner instanceof ReferencedSamples own ? own : null;
    }

    TrainingDataset source() {
        return source;
    }

    /**
     * Asks a model about every sample, or reads what it said from a file.
     *
     * @param file where its log-probabilities are kept, or null for nowhere
     * @throws org.finetune4j.UserErrorException when the file is of other samples or another model
     */
    void know(ReferenceModel model, @Nullable Path file, Ranks ranks) {
        if (reference == null) {
            reference = ReferenceLogprobs.of(source, model, file, ranks);
        }
    }

    @Override
    public int size() {
        return source.size();
    }

    @Override
    public Sample get(int index) {
        float[][] known = reference;
        Sample sample = source.get(index);
        return known == null ? sample : sample.with(PreferenceColumns.REFERENCE, known[index]);
    }

    @Override
    public String location(int index) {
        return source.location(index);
    }

    @Override
    public OptionalInt commonLength() {
        return source.commonLength();
    }
}
