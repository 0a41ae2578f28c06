package org.finetune4j.data;

import java.util.Objects;
import org.finetune4j.model.ModelInputs;
import org.jspecify.annotations.Nullable;

/**
 * Samples of one step, padded to one length. All arrays are row-major {@code [batchSize, sequenceLength]} and are not
 * copied; do not change them.
 *
 * @param inputIds token ids; where {@code attentionMask} is 0, the padding token
 * @param attentionMask 1 for a real token, 0 for padding
 * @param labels unshifted, {@link Sample#IGNORE_INDEX} where nothing is trained
 * @param positionIds position of each token in its own sequence, or null when they follow from the mask
 */
public record Batch(
        int batchSize,
        int sequenceLength,
        int[] inputIds,
        byte[] attentionMask,
        int[] labels,
        int @Nullable [] positionIds) {

    public Batch {
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

    /** A batch whose positions follow from the mask. */
    public Batch(int batchSize, int sequenceLength, int[] inputIds, byte[] attentionMask, int[] labels) {
        this(batchSize, sequenceLength, inputIds, attentionMask, labels, null);
    }

    /**
     * Number of tokens that a loss is computed for: {@code labels[:, 1:] != -100}. What losses and gradients are
     * normalised by, summed over an accumulated batch.
     */
    public int labelledTokens() {
        int count = 0;
        for (int row = 0; row < batchSize; row++) {
            count += Sample.countLabelled(labels, row * sequenceLength + 1, (row + 1) * sequenceLength);
        }
        return count;
    }

    /** Number of tokens that are not padding: what throughput is measured in. */
    public int realTokens() {
        int count = 0;
        for (byte mask : attentionMask) {
            count += mask;
        }
        return count;
    }

    /** What a model reads of this batch: everything but the labels. */
    public ModelInputs modelInputs() {
        return new ModelInputs(batchSize, sequenceLength, inputIds, attentionMask, positionIds);
    }

    /** Whether any row is padded; without padding, attention needs no mask but the causal one. */
    public boolean hasPadding() {
        return realTokens() < attentionMask.length;
    }

    @Override
    public String toString() {
        return "Batch[" + batchSize + ", " + sequenceLength + ", labelledTokens=" + labelledTokens() + "]";
    }
}
