package org.finetune4j.data;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.ModelInputs;
import org.jspecify.annotations.Nullable;

/**
 * Samples of one step, padded to one length. All arrays are row-major {@code [batchSize, sequenceLength]} and are not
 * copied; do not change them.
 *
 * @param batchSize number of sequences
 * @param sequenceLength tokens of each, padding included
 * @param inputIds token ids; where {@code attentionMask} is 0, the padding token
 * @param attentionMask 1 for a real token, 0 for padding
 * @param labels unshifted, {@link Sample#IGNORE_INDEX} where nothing is trained
 * @param positionIds position of each token in its own sequence, or null when they follow from the mask
 * @param columns further numbers of every row by name, as the samples had them: padding adds none
 */
public record Batch(
        int batchSize,
        int sequenceLength,
        int[] inputIds,
        byte[] attentionMask,
        int[] labels,
        int @Nullable [] positionIds,
        Map<String, float[][]> columns) {

    /**
     * Refuses arrays that do not belong together.
     *
     * @param batchSize number of sequences
     * @param sequenceLength tokens of each, padding included
     * @param inputIds token ids; where {@code attentionMask} is 0, the padding token
     * @param attentionMask 1 for a real token, 0 for padding
     * @param labels unshifted, {@link Sample#IGNORE_INDEX} where nothing is trained
     * @param positionIds position of each token in its own sequence, or null when they follow from the mask
     * @param columns further numbers of every row by name, as the samples had them
     */
    public Batch {
        columns = Map.copyOf(columns);
        Objects.requireNonNull(inputIds);
        int size = Math.multiplyExact(batchSize, sequenceLength);
        if (size <= 0
                || inputIds.length != size
                || attentionMask.length != size
                || labels.length != size
                || (positionIds != null && positionIds.length != size)) {
            throw new IllegalArgumentException("the arrays of a batch must have the shape [" + batchSize + ", "
                    + sequenceLength + "], got inputIds " + inputIds.length + ", attentionMask " + attentionMask.length
                    + ", labels " + labels.length
                    + (positionIds == null ? "" : ", positionIds " + positionIds.length));
        }
    }

    /**
     * A batch without further columns.
     *
     * @param batchSize number of sequences
     * @param sequenceLength tokens of each, padding included
     * @param inputIds token ids
     * @param attentionMask 1 for a real token, 0 for padding
     * @param labels unshifted
     * @param positionIds position of each token, or null
     */
    public Batch(
            int batchSize,
            int sequenceLength,
            int[] inputIds,
            byte[] attentionMask,
            int[] labels,
            int @Nullable [] positionIds) {
        this(batchSize, sequenceLength, inputIds, attentionMask, labels, positionIds, Map.of());
    }

    /**
     * A batch whose positions follow from the mask.
     *
     * @param batchSize number of sequences
     * @param sequenceLength tokens of each, padding included
     * @param inputIds token ids
     * @param attentionMask 1 for a real token, 0 for padding
     * @param labels unshifted
     */
    public Batch(int batchSize, int sequenceLength, int[] inputIds, byte[] attentionMask, int[] labels) {
        this(batchSize, sequenceLength, inputIds, attentionMask, labels, null);
    }

    /**
     * The same tokens with other columns.
     *
     * @param newColumns further numbers of every row by name
     * @return another batch
     */
    public Batch withColumns(Map<String, float[][]> newColumns) {
        return new Batch(batchSize, sequenceLength, inputIds, attentionMask, labels, positionIds, newColumns);
    }

    /**
     * Some of the sequences, as long as they are here.
     *
     * @param from the first one
     * @param to the one after the last, more than {@code from}
     * @return another batch
     */
    public Batch rows(int from, int to) {
        Map<String, float[][]> own = new HashMap<>();
        columns.forEach(
                (name, rows) -> own.put(name, rows.length == batchSize ? Arrays.copyOfRange(rows, from, to) : rows));
        int first = from * sequenceLength;
        int end = to * sequenceLength;
        return new Batch(
                to - from,
                sequenceLength,
                Arrays.copyOfRange(inputIds, first, end),
                Arrays.copyOfRange(attentionMask, first, end),
                Arrays.copyOfRange(labels, first, end),
                positionIds == null ? null : Arrays.copyOfRange(positionIds, first, end),
                own);
    }

    /**
     * The numbers of a column.
     *
     * @param name of the column
     * @return for every row its own
     * @throws UserErrorException when the samples have no such column
     */
    public float[][] column(String name) {
        float[][] column = columns.get(name);
        if (column == null) {
            throw new UserErrorException("the samples have no column '" + name
                    + "', which this objective needs; they have " + new TreeSet<>(columns.keySet()));
        }
        return column;
    }

    /**
     * The whole numbers of a column.
     *
     * @param name of the column
     * @return for every row its own
     * @throws UserErrorException when the samples have no such column, or one that is not of whole numbers
     */
    public int[][] wholeColumn(String name) {
        float[][] column = column(name);
        int[][] whole = new int[column.length][];
        for (int row = 0; row < column.length; row++) {
            whole[row] = new int[column[row].length];
            for (int i = 0; i < column[row].length; i++) {
                whole[row][i] = (int) column[row][i];
                if (whole[row][i] != column[row][i]) {
                    throw new UserErrorException("column '" + name + "' of sequence " + row + " has " + column[row][i]
                            + ", expected whole numbers");
                }
            }
        }
        return whole;
    }

    /**
     * {@return the number of tokens that a loss is computed for: {@code labels[:, 1:] != -100}} What losses and gradients
     * are normalised by, summed over an accumulated batch.
     */
    public int labelledTokens() {
        int count = 0;
        for (int row = 0; row < batchSize; row++) {
            count += Sample.countLabelled(labels, row * sequenceLength + 1, (row + 1) * sequenceLength);
        }
        return count;
    }

    /** {@return the number of tokens that are not padding: what throughput is measured in} */
    public int realTokens() {
        int count = 0;
        for (byte mask : attentionMask) {
            count += mask;
        }
        return count;
    }

    /** {@return what a model reads of this batch: everything but the labels} */
    public ModelInputs modelInputs() {
        return new ModelInputs(
                batchSize, sequenceLength, inputIds, attentionMask, positionIds, tokenTypes(), taskIds());
    }

    private int @Nullable [] taskIds() {
        if (!columns.containsKey(Sample.TASK)) {
            return null;
        }
        int[][] rows = wholeColumn(Sample.TASK);
        int[] tasks = new int[rows.length];
        for (int row = 0; row < rows.length; row++) {
            if (rows[row].length != 1) {
                throw new UserErrorException(
                        "a row holds " + rows[row].length + " sequences with a '" + Sample.TASK
                                + "' each: virtual tokens of tasks begin rows of one sequence; leave packing and padding_free off");
            }
            tasks[row] = rows[row][0];
        }
        return tasks;
    }

    private int @Nullable [] tokenTypes() {
        float[][] rows = columns.get(Sample.TOKEN_TYPES);
        if (rows == null) {
            return null;
        }
        int[] types = new int[inputIds.length];
        for (int row = 0; row < rows.length; row++) {
            for (int i = 0; i < Math.min(sequenceLength, rows[row].length); i++) {
                types[row * sequenceLength + i] = (int) rows[row][i];
            }
        }
        return types;
    }

    /** {@return whether any row is padded; without padding, attention needs no mask but the causal one} */
    public boolean hasPadding() {
        return realTokens() < attentionMask.length;
    }

    @Override
    public String toString() {
        return "Batch[" + batchSize + ", " + sequenceLength + ", labelledTokens=" + labelledTokens() + "]";
    }
}
