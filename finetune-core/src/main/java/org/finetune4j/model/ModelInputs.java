package org.finetune4j.model;

import java.util.Arrays;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Token ids of a batch of sequences, row-major {@code [batchSize, sequenceLength]}. Numbers that no model can have are
 * refused by a {@link UserErrorException}, those that a model does not have where it is given them.
 *
 * @param batchSize number of sequences
 * @param sequenceLength tokens of each, padding included
 * @param inputIds token ids
 * @param attentionMask 1 for a real token, 0 for padding, on either side
 * @param positionIds the position of each token in its own sequence, or null to count the real tokens of each row from 0.
 *     Where positions start again inside a row a new sequence starts: sequences packed in one row do not see each other.
 *     Where they go back to a position that the sequence has, a branch starts that continues it from there
 *     ({@link SequenceLayout}).
 * @param tokenTypeIds which of two texts each token belongs to, for encoders, or null
 * @param taskIds the task of each sequence, [batchSize], for virtual tokens of several tasks, or null
 */
public record ModelInputs(
        int batchSize,
        int sequenceLength,
        int[] inputIds,
        byte[] attentionMask,
        int @Nullable [] positionIds,
        int @Nullable [] tokenTypeIds,
        int @Nullable [] taskIds) {

    /**
     * Checks that everything has one length.
     *
     * @param batchSize number of sequences
     * @param sequenceLength tokens of each, padding included
     * @param inputIds row-major [batch, seq]
     * @param attentionMask row-major [batch, seq]
     * @param positionIds row-major [batch, seq], or null
     * @param tokenTypeIds row-major [batch, seq], or null
     * @param taskIds [batch], or null
     * @throws IllegalArgumentException when a length differs
     */
    public ModelInputs {
        int size = Math.multiplyExact(batchSize, sequenceLength);
        if (size <= 0
                || inputIds.length != size
                || attentionMask.length != size
                || (positionIds != null && positionIds.length != size)
                || (tokenTypeIds != null && tokenTypeIds.length != size)) {
            throw new IllegalArgumentException("token ids, mask and positions must have the shape [" + batchSize + ", "
                    + sequenceLength + "] and not be empty");
        }
        if (taskIds != null && taskIds.length != batchSize) {
            throw new IllegalArgumentException(
                    "there are " + taskIds.length + " tasks for " + batchSize + " sequences");
        }
        IndexRange.requireNotNegative("token id", inputIds, sequenceLength);
        if (positionIds != null) {
            IndexRange.requireNotNegative("position id", positionIds, sequenceLength);
        }
        if (tokenTypeIds != null) {
            IndexRange.requireNotNegative("token type id", tokenTypeIds, sequenceLength);
        }
        for (byte real : attentionMask) {
            if (real != 0 && real != 1) {
                throw new UserErrorException("attention mask " + real + " is neither 1, a real token, nor 0, padding");
            }
        }
    }

    /**
     * Inputs without token types.
     *
     * @param batchSize sequences
     * @param sequenceLength tokens of each, padding included
     * @param inputIds row-major [batch, seq]
     * @param attentionMask row-major [batch, seq], 1 for a real token
     * @param positionIds row-major [batch, seq], or null for the number of real tokens before
     */
    public ModelInputs(
            int batchSize, int sequenceLength, int[] inputIds, byte[] attentionMask, int @Nullable [] positionIds) {
        this(batchSize, sequenceLength, inputIds, attentionMask, positionIds, null, null);
    }

    /**
     * {@return the same tokens with their types}
     *
     * @param newTokenTypeIds row-major [batch, seq]
     */
    public ModelInputs withTokenTypeIds(int[] newTokenTypeIds) {
        return new ModelInputs(
                batchSize, sequenceLength, inputIds, attentionMask, positionIds, newTokenTypeIds, taskIds);
    }

    /**
     * {@return the same tokens with the tasks of their sequences}
     *
     * @param newTaskIds [batch], or null
     */
    public ModelInputs withTaskIds(int @Nullable [] newTaskIds) {
        return new ModelInputs(
                batchSize, sequenceLength, inputIds, attentionMask, positionIds, tokenTypeIds, newTaskIds);
    }

    /**
     * One sequence without padding.
     *
     * @param inputIds row-major [batch, seq]
     * @return the batch
     */
    public static ModelInputs of(int... inputIds) {
        byte[] mask = new byte[inputIds.length];
        Arrays.fill(mask, (byte) 1);
        return new ModelInputs(1, inputIds.length, inputIds, mask, null);
    }

    /**
     * {@return the given positions, or the number of real tokens before each one in its row (0 for padding before them)}
     */
    public int[] positions() {
        if (positionIds != null) {
            return positionIds;
        }
        int[] positions = new int[inputIds.length];
        for (int row = 0; row < batchSize; row++) {
            int seen = 0;
            for (int t = 0; t < sequenceLength; t++) {
                int at = row * sequenceLength + t;
                seen += attentionMask[at];
                positions[at] = Math.max(0, seen - 1);
            }
        }
        return positions;
    }

    /**
     * These tokens after virtual ones in every row, which count as real and have the id 0.
     *
     * @param virtual how many of them
     * @return the longer rows
     */
    public ModelInputs withVirtual(int virtual) {
        int length = virtual + sequenceLength;
        int[] ids = new int[batchSize * length];
        byte[] mask = new byte[ids.length];
        int[] all = new int[ids.length];
        int[] own = positions();
        for (int row = 0; row < batchSize; row++) {
            for (int t = 0; t < length; t++) {
                int at = row * length + t;
                int token = row * sequenceLength + t - virtual;
                boolean real = t >= virtual;
                ids[at] = real ? inputIds[token] : 0;
                mask[at] = real ? attentionMask[token] : 1;
                all[at] = real ? own[token] + virtual : t;
            }
        }
        return new ModelInputs(batchSize, length, ids, mask, all);
    }
}
