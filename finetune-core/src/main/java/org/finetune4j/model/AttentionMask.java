package org.finetune4j.model;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Decides which tokens may see which. Where being causal (or, in an encoder, nothing) says it all there is no mask, and
 * attention runs its fastest kernel: padding on the right needs none in a decoder, because no real token comes after it.
 */
final class AttentionMask {

    /** The window of attention that sees all tokens. */
    static final int UNLIMITED = Integer.MAX_VALUE;

    private AttentionMask() {}

    /**
     * The mask of a whole batch.
     *
     * @param positions [batch, seq]
     * @param causal whether a token sees nothing after it
     * @param window how many tokens a token sees at most, itself and those before it; as many in the other direction where it
     *     sees them
     * @return boolean [batch or 1, 1, seq, seq], or null where none is needed
     */
    static @Nullable Tensor of(ModelInputs inputs, int[] positions, boolean causal, int window) {
        int seq = inputs.sequenceLength();
        SequenceLayout layout = SequenceLayout.of(inputs, positions);
        boolean separate = isNeeded(inputs, layout);
        if (causal && !separate && window >= seq) {
            return null;
        }
        boolean whole = !causal && !separate && !isPadded(inputs);
        if (whole && window >= seq) {
            return null;
        }
        // Right padding alone says nothing that a causal window does not: then all rows share one mask.
        boolean shared = causal ? !separate : whole;
        int rows = shared ? 1 : inputs.batchSize();
        // One row at a time: all of them can be more than an array holds.
        List<Tensor> masks = new ArrayList<>();
        for (int row = 0; row < rows; row++) {
            byte[] mask = new byte[Math.multiplyExact(seq, seq)];
            for (int query = 0; query < seq; query++) {
                int at = row * seq + query;
                int first = shared ? 0 : layout.start(at);
                int from = Math.max(first, query + 1 - Math.min(window, query + 1));
                int to = causal
                        ? query
                        : (int) Math.min(lastOfSequence(layout, row * seq, query, seq), query + (long) window - 1);
                for (int key = from; key <= to; key++) {
                    mask[query * seq + key] = shared ? 1 : inputs.attentionMask()[row * seq + key];
                }
                // Of what a branch shares, its first token is as far away as if it followed directly.
                int missing = first - layout.sharedTo(at);
                for (int key = layout.sharedFrom(at); key < layout.sharedTo(at); key++) {
                    boolean near = query - missing - key < window;
                    mask[query * seq + key] = near ? inputs.attentionMask()[row * seq + key] : 0;
                }
                // A padding token sees itself: a row without any key would become NaN.
                mask[query * seq + query] = 1;
            }
            masks.add(Tensors.of(mask, 1, 1, seq, seq).to(DType.BOOL));
        }
        return rows == 1 ? masks.get(0) : Tensors.cat(masks, 0); // [rows, 1, seq, seq]
    }

    private static int lastOfSequence(SequenceLayout layout, int rowAt, int query, int seq) {
        int last = query;
        while (last + 1 < seq && layout.start(rowAt + last + 1) == layout.start(rowAt + query)) {
            last++;
        }
        return last;
    }

    /** Whether a real token does not continue the one before it, or follows padding. */
    private static boolean isNeeded(ModelInputs inputs, SequenceLayout layout) {
        int seq = inputs.sequenceLength();
        for (int at = 0; at < inputs.inputIds().length; at++) {
            int t = at % seq;
            boolean real = inputs.attentionMask()[at] == 1;
            if (t > 0 && real && (layout.start(at) == t || inputs.attentionMask()[at - 1] == 0)) {
                return true;
            }
        }
        return false;
    }

    private static boolean isPadded(ModelInputs inputs) {
        for (byte real : inputs.attentionMask()) {
            if (real == 0) {
                return true;
            }
        }
        return false;
    }
}
