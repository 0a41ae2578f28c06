package org.finetune4j.data;

/** A dataset whose samples are to be trained in batches of like lengths. */
public interface LengthGrouped extends TrainingDataset {

    /** Tokens of each sample. */
    int[] lengths();

    /** The same samples, measured once now, to be batched by length. */
    static LengthGrouped of(TrainingDataset dataset) {
        return new MeasuredDataset(dataset, SampleLengths.of(dataset));
    }
}
