package org.finetune4j.data;

import java.util.Arrays;
import java.util.function.Function;
import org.finetune4j.UserErrorException;

/**
 * Which items of a dataset train and which evaluate, each part in ascending order.
 *
 * @param train indices of the items that train
 * @param evaluation indices of those that are held out
 */
public record SplitIndices(int[] train, int[] evaluation) {

    // No epoch has this number: the choice of the split is unrelated to the order of any epoch.
    private static final long STREAM = -1;

    /**
     * Sets some items aside.
     *
     * @param size number of items
     * @param evaluationCount how many are set aside
     * @param seed decides which
     * @return both parts
     * @throws UserErrorException when that leaves either part empty
     */
    public static SplitIndices of(int size, int evaluationCount, long seed) {
        if (evaluationCount < 1 || evaluationCount >= size) {
            throw new UserErrorException("cannot set " + evaluationCount + " of " + size
                    + " samples aside for evaluation: both parts need at least one");
        }
        int[] order = SeededShuffle.permutation(size, seed, STREAM);
        int[] evaluation = Arrays.copyOfRange(order, 0, evaluationCount);
        int[] train = Arrays.copyOfRange(order, evaluationCount, size);
        Arrays.sort(evaluation);
        Arrays.sort(train);
        return new SplitIndices(train, evaluation);
    }

    /**
     * Sets a fraction aside, rounded up to whole items.
     *
     * @param size number of items
     * @param evaluationFraction between 0 and 1
     * @param seed decides which items are set aside
     * @return both parts
     * @throws UserErrorException when that leaves either part empty
     */
    public static SplitIndices of(int size, double evaluationFraction, long seed) {
        return of(size, count(size, evaluationFraction), seed);
    }

    /**
     * {@return how many items a fraction is, rounded up to whole items}
     *
     * @param size number of items
     * @param evaluationFraction between 0 and 1
     * @throws UserErrorException when it is not
     */
    public static int count(int size, double evaluationFraction) {
        if (!(evaluationFraction > 0 && evaluationFraction < 1)) {
            throw new UserErrorException(
                    "the fraction set aside for evaluation must lie between 0 and 1, got " + evaluationFraction);
        }
        return (int) Math.ceil(evaluationFraction * size);
    }

    /**
     * {@return both parts of a dataset}
     *
     * @param <T> the kind of dataset
     * @param subset takes the items at some indices
     */
    public <T> DatasetSplit<T> apply(Function<int[], T> subset) {
        return new DatasetSplit<>(subset.apply(train), subset.apply(evaluation));
    }
}
