package org.finetune4j.data;

/** A dataset that can say what tokenising gave. */
public interface TokenizedDataset extends TrainingDataset {

    /**
     * Tokenises everything once and counts, for a report before training. Problems are collected, not thrown.
     *
     * @param maxProblems messages collected at most
     */
    default TokenizationReport report(int maxProblems) {
        return report(maxProblems, (index, sample) -> {});
    }

    /** See {@link #report(int)}; {@code visitor} is given every sample that is in order. */
    TokenizationReport report(int maxProblems, Visitor visitor);

    /** The index, in what it was made from, of the record that became the sample at {@code index}. */
    int recordIndex(int index);

    /** Sees the samples while they are counted. */
    @FunctionalInterface
    interface Visitor {
        void sample(int index, Sample sample);
    }
}
