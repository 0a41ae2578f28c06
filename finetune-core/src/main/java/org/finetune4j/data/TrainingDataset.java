package org.finetune4j.data;

import java.util.OptionalInt;

/**
 * A sequence of tokenised samples with random access. Samples may be made when they are asked for, but
 * {@link #get(int)} always gives the same sample for the same index. Implementations are thread-safe.
 */
public interface TrainingDataset {

    /** Number of samples, at least one. */
    int size();

    /**
     * The sample at {@code index}.
     *
     * @throws org.finetune4j.UserErrorException when its source is wrong, with file and line where there is one
     */
    Sample get(int index);

    /** Where the sample came from, for messages: {@code "data.jsonl:17"}. */
    default String location(int index) {
        return "sample " + index;
    }

    /** The length that nearly all batches have, where samples were made to have one: packed ones, pieces of a text. */
    default OptionalInt commonLength() {
        return OptionalInt.empty();
    }

    /**
     * Sets samples aside for evaluation, chosen at random but the same for the same seed. Both parts keep the order of
     * this dataset.
     *
     * @param evaluationCount number of samples set aside
     * @throws org.finetune4j.UserErrorException when that leaves either part empty
     */
    default DatasetSplit<TrainingDataset> split(int evaluationCount, long seed) {
        return SplitIndices.of(size(), evaluationCount, seed).apply(indices -> new DatasetSubset(this, indices));
    }

    /**
     * Sets a fraction aside for evaluation, rounded up to whole samples; see {@link #split(int, long)}.
     *
     * @param evaluationFraction between 0 and 1
     */
    default DatasetSplit<TrainingDataset> split(double evaluationFraction, long seed) {
        return split(SplitIndices.count(size(), evaluationFraction), seed);
    }
}
