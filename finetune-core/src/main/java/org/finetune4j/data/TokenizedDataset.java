package org.finetune4j.data;

/** A dataset that can say what tokenising gave. */
public interface TokenizedDataset extends TrainingDataset {

    /**
     * Tokenises everything once and counts, for a report before training. Problems are collected, not thrown.
     *
     * @param maxProblems messages collected at most
     */
    TokenizationReport report(int maxProblems);
}
