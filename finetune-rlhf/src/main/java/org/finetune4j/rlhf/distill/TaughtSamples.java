package org.finetune4j.rlhf.distill;

import java.util.OptionalInt;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.jspecify.annotations.Nullable;

/** Samples that may bring what a teacher said about them, once that is known. */
final class TaughtSamples implements TrainingDataset, AutoCloseable {

    private final TrainingDataset source;
    private volatile @Nullable TopLogits said;

    TaughtSamples(TrainingDataset source) {
        this.source = source;
    }

    TrainingDataset source() {
        return source;
    }

    boolean isKnown() {
        return said != null;
    }

    void know(TopLogits logits) {
        said = logits;
    }

    @Override
    public int size() {
        return source.size();
    }

    @Override
    public Sample get(int index) {
        TopLogits known = said;
        Sample sample = source.get(index);
        return known == null ? sample : known.with(sample, index);
    }

    @Override
    public String location(int index) {
        return source.location(index);
    }

    @Override
    public OptionalInt commonLength() {
        return source.commonLength();
    }

    @Override
    public void close() {
        TopLogits known = said;
        said = null;
        if (known != null) {
            known.close();
        }
    }
}
