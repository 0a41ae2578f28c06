package org.finetune4j.model;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Decides which tokens may see which. Where being causal says it all there is no mask, and attention runs its fastest
 * kernel: padding on the right needs none, because no real token comes after it.
 */
final class AttentionMask {

    private AttentionMask() {}

    /**
     * The mask of a whole batch.
     *
     * @param positions [batch, seq]
     * @return boolean [batch, 1, seq, seq], or null where causal is enough
     */
    static @Nullable Tensor of(ModelInputs inputs, int[] positions) {
        int seq = inputs.sequenceLength();
        int[] start = sequenceStarts(inputs, positions);
        if (start == null) {
            return null;
        }
        byte[] mask = new byte[inputs.batchSize() * seq * seq];
        for (int row = 0; row < inputs.batchSize(); row++) {
            for (int query = 0; query < seq; query++) {
                int at = row * seq + query;
                int line = at * seq;
                for (int key = start[at]; key <= query; key++) {
                    mask[line + key] = inputs.attentionMask()[row * seq + key];
                }
                // A padding token sees itself: a row without any key would become NaN.
                mask[line + query] = 1;
            }
        }
        return Tensors.of(mask, inputs.batchSize(), 1, seq, seq).to(DType.BOOL);
    }

    /**
     * The mask of new tokens that follow cached ones.
     *
     * @param seenMask [batch, past + seq], 1 for a real token
     * @return boolean [batch, 1, seq, past + seq], or null where every new token may see all before it and is alone
     */
    static @Nullable Tensor continuing(ModelInputs inputs, byte[] seenMask) {
        int seq = inputs.sequenceLength();
        int keys = seenMask.length / inputs.batchSize();
        boolean padded = false;
        for (byte real : seenMask) {
            padded |= real == 0;
        }
        if (seq == 1 && !padded) {
            return null;
        }
        byte[] mask = new byte[inputs.batchSize() * seq * keys];
        for (int row = 0; row < inputs.batchSize(); row++) {
            for (int query = 0; query < seq; query++) {
                int line = (row * seq + query) * keys;
                int own = keys - seq + query;
                System.arraycopy(seenMask, row * keys, mask, line, own);
                mask[line + own] = 1;
            }
        }
        return Tensors.of(mask, inputs.batchSize(), 1, seq, keys).to(DType.BOOL);
    }

    /** For each token the index in its row where its own sequence starts, or null when all real ones start at 0. */
    private static int @Nullable [] sequenceStarts(ModelInputs inputs, int[] positions) {
        int seq = inputs.sequenceLength();
        int[] start = new int[positions.length];
        boolean needed = false;
        for (int row = 0; row < inputs.batchSize(); row++) {
            for (int t = 1; t < seq; t++) {
                int at = row * seq + t;
                boolean real = inputs.attentionMask()[at] == 1;
                boolean continues = positions[at] == positions[at - 1] + 1;
                start[at] = continues ? start[at - 1] : t;
                boolean afterPadding = inputs.attentionMask()[at - 1] == 0;
                needed |= real && (!continues || afterPadding);
            }
        }
        return needed ? start : null;
    }
}
