package org.finetune4j.data;

import java.util.OptionalInt;

/**
 * A sequence of tokenised samples with random access. Samples may be made when they are asked for, but
 * {@link #get(int)} always gives the same sample for the same index. Implementations are thread-safe.
 */
public interface TrainingDataset {

    /** {@return the number of samples, at least one} */
    int size();

    /**
     * The sample at {@code index}.
     *
     * @param index of a sample, from 0
     * @return the sample
     * @throws org.finetune4j.UserErrorException when its source is wrong, with file and line where there is one
     */
    Sample get(int index);

    /**
     * {@return where the sample came from, for messages: {@code "data.jsonl:17"}}
     *
     * @param index of a sample, from 0
     */
    default String location(int index) {
        return "sample " + index;
    }

    /**
     * {@return the length that nearly all batches have, where samples were made to have one: packed ones, pieces of a text}
     */
    default OptionalInt commonLength() {
        return OptionalInt.empty();
    }

    /**
     * Sets samples aside for evaluation, chosen at random but the same for the same seed. Both parts keep the order of this
     * dataset.
     *
     * @param evaluationCount number of samples set aside
     * @param seed decides which samples are set aside
     * @return both parts
     * @throws org.finetune4j.UserErrorException when that leaves either part empty
     */
    default DatasetSplit<TrainingDataset> split(int evaluationCount, long seed) {
        return SplitIndices.of(size(), evaluationCount, seed).apply(indices -> new DatasetSubset(this, indices));
    }

    /**
     * Sets a fraction aside for evaluation, rounded up to whole samples; see {@link #split(int, long)}.
     *
     * @param evaluationFraction between 0 and 1
     * @param seed decides which samples are set aside
     * @return both parts
     */
    default DatasetSplit<TrainingDataset> split(double evaluationFraction, long seed) {
        return split(SplitIndices.count(size(), evaluationFraction), seed);
    }
}
