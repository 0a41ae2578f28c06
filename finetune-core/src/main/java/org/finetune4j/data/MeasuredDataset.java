package org.finetune4j.data;

/** A dataset whose lengths are known. */
record MeasuredDataset(TrainingDataset source, int[] lengths) implements LengthGrouped {

    @Override
    public int size() {
        return source.size();
    }

    @Override
    public Sample get(int index) {
        return source.get(index);
    }

    @Override
    public String location(int index) {
        return source.location(index);
    }
}
