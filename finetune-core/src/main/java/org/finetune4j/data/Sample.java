package org.finetune4j.data;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.IndexRange;
import org.jspecify.annotations.Nullable;

/**
 * One tokenised sequence with its labels, unshifted as in transformers: {@code labels[i]} is {@code inputIds[i]} where
 * the token is trained and {@link #IGNORE_INDEX} elsewhere; the model's loss compares the output at {@code i} with the
 * label at {@code i + 1}.
 *
 * <p>The arrays are not copied; do not change them. A number that no model can have is a {@link UserErrorException}.
 *
 * @param inputIds token ids, at least one
 * @param labels as many labels
 * @param positionIds position of each token in its own sequence where several are packed into this sample, or null
 *     when it is one sequence; they may share tokens ({@link org.finetune4j.model.SequenceLayout})
 * @param columns numbers that an objective needs besides, by name, as many as it likes: one for the sequence, such as a class or
 *     a reward, or one for every token, such as another model's log-probabilities
 */
public record Sample(int[] inputIds, int[] labels, int @Nullable [] positionIds, Map<String, float[]> columns) {

    /** The label of a token that is not trained. */
    public static final int IGNORE_INDEX = -100;

    /** The column that says of each token which of two texts it belongs to, for encoders that tell them apart. */
    public static final String TOKEN_TYPES = "token_type_ids";

    /** The column that says which task a sequence belongs to, where virtual tokens tell tasks apart: one number. */
    public static final String TASK = "task_id";

    /** Up to here a float holds every whole number. */
    private static final int LARGEST_WHOLE = 1 << 24;

    /**
     * Refuses what no model can have.
     *
     * @param inputIds token ids, at least one
     * @param labels as many labels
     * @param positionIds position of each token in its own sequence where several are packed into this sample, or null when
     *     it is one sequence
     * @param columns numbers that an objective needs besides, by name: a class, a reward, another model's log-probabilities
     */
    public Sample {
        columns = Map.copyOf(columns);
        if (inputIds.length == 0 || inputIds.length != labels.length) {
            throw new IllegalArgumentException("a sample needs as many labels as tokens and at least one, got "
                    + inputIds.length + " tokens and " + labels.length + " labels");
        }
        if (positionIds != null && positionIds.length != inputIds.length) {
            throw new IllegalArgumentException("a sample needs as many positions as tokens, got " + inputIds.length
                    + " tokens and " + positionIds.length + " positions");
        }
        IndexRange.requireNotNegative("token id", inputIds, inputIds.length);
        if (positionIds != null) {
            IndexRange.requireNotNegative("position id", positionIds, positionIds.length);
        }
        for (int i = 0; i < labels.length; i++) {
            if (labels[i] < 0 && labels[i] != IGNORE_INDEX) {
                throw new UserErrorException("label " + labels[i] + " (position " + i
                        + ") is out of range: it is a token" + " id, or " + IGNORE_INDEX + " where nothing is trained");
            }
        }
    }

    /**
     * A sample without further columns.
     *
     * @param inputIds token ids, at least one
     * @param labels as many labels
     * @param positionIds as many positions, or null
     */
    public Sample(int[] inputIds, int[] labels, int @Nullable [] positionIds) {
        this(inputIds, labels, positionIds, Map.of());
    }

    /**
     * A sample of one sequence.
     *
     * @param inputIds token ids, at least one
     * @param labels as many labels
     */
    public Sample(int[] inputIds, int[] labels) {
        this(inputIds, labels, null);
    }

    /**
     * The same sample with one more column.
     *
     * @param name of the column
     * @param values its numbers
     * @return a new sample
     */
    public Sample with(String name, float... values) {
        Map<String, float[]> more = new HashMap<>(columns);
        more.put(name, values);
        return new Sample(inputIds, labels, positionIds, more);
    }

    /**
     * The same sample with one more column of whole numbers, such as token ids.
     *
     * @param name of the column
     * @param values its numbers, below 2^24 so that they stay what they are
     * @return a new sample
     */
    public Sample with(String name, int... values) {
        float[] numbers = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            numbers[i] = values[i];
            if (Math.abs((long) values[i]) > LARGEST_WHOLE) {
                throw new IllegalArgumentException("column '" + name + "' has " + values[i]
                        + ": whole numbers of columns go up to " + LARGEST_WHOLE);
            }
        }
        return with(name, numbers);
    }

    /** {@return the number of tokens} */
    public int length() {
        return inputIds.length;
    }

    /**
     * {@return the number of tokens that a loss is computed for: labels that are not ignored, the first token's aside}
     */
    public int labelledTokens() {
        return countLabelled(labels, 1, labels.length);
    }

    /** Number of labels in {@code [from, to)} that are not ignored. */
    static int countLabelled(int[] labels, int from, int to) {
        int count = 0;
        for (int i = from; i < to; i++) {
            if (labels[i] != IGNORE_INDEX) {
                count++;
            }
        }
        return count;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Sample sample
                && Arrays.equals(inputIds, sample.inputIds)
                && Arrays.equals(labels, sample.labels)
                && Arrays.equals(positionIds, sample.positionIds)
                && sameColumns(sample);
    }

    private boolean sameColumns(Sample other) {
        return columns.keySet().equals(other.columns.keySet())
                && columns.entrySet().stream()
                        .allMatch(entry -> Arrays.equals(entry.getValue(), other.columns.get(entry.getKey())));
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(inputIds) + Arrays.hashCode(labels);
    }

    @Override
    public String toString() {
        return "Sample[length=" + length() + ", labelledTokens=" + labelledTokens() + "]";
    }
}
