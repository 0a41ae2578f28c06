package org.finetune4j.data;

/** A dataset whose samples are to be trained in batches of like lengths. */
public interface LengthGrouped extends TrainingDataset {

    /**
     * Tokens of each sample.
     *
     * @return one length a sample, in tokens
     */
    int[] lengths();

    /**
     * The dataset whose samples these are.
     *
     * @return the same samples, not measured
     */
    TrainingDataset source();

    /**
     * {@return the same samples, measured once now, to be batched by length}
     *
     * @param dataset every sample of it is made once
     */
    static LengthGrouped of(TrainingDataset dataset) {
        return new MeasuredDataset(dataset, SampleLengths.of(dataset));
    }
}
