package org.finetune4j.data;

import java.util.OptionalInt;

/** Some samples of another dataset, in the given order. */
record DatasetSubset(TrainingDataset source, int[] indices) implements TrainingDataset {

    @Override
    public int size() {
        return indices.length;
    }

    @Override
    public Sample get(int index) {
        return source.get(indices[index]);
    }

    @Override
    public OptionalInt commonLength() {
        return source.commonLength();
    }

    @Override
    public String location(int index) {
        return source.location(indices[index]);
    }
}
