package org.finetune4j.data;

/** A dataset that can say what tokenising gave. */
public interface TokenizedDataset extends TrainingDataset {

    /**
     * Tokenises everything once and counts, for a report before training. Problems are collected, not thrown.
     *
     * @param maxProblems messages collected at most
     * @return the counts
     */
    default TokenizationReport report(int maxProblems) {
        return report(maxProblems, (index, sample) -> {});
    }

    /**
     * See {@link #report(int)}; {@code visitor} is given every sample that is in order.
     *
     * @param maxProblems messages collected at most
     * @param visitor is given every sample that is in order
     * @return the counts
     */
    TokenizationReport report(int maxProblems, Visitor visitor);

    /**
     * {@return the index, in what it was made from, of the record that became the sample at {@code index}}
     *
     * @param index of a sample, from 0
     */
    int recordIndex(int index);

    /** Sees the samples while they are counted. */
    @FunctionalInterface
    interface Visitor {
        /**
         * Is called once for a sample.
         *
         * @param index of the sample in the dataset
         * @param sample one that is in order
         */
        void sample(int index, Sample sample);
    }
}
