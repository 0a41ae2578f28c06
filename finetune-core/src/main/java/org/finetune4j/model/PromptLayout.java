package org.finetune4j.model;

import java.util.Arrays;
import java.util.List;
import org.finetune4j.nn.Prompt;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** Positions and masks of sequences that start with virtual tokens. */
final class PromptLayout {

    private PromptLayout() {}

    /**
     * The positions of all that runs through the layers: tokens count on from the virtual tokens, in each of several
     * sequences of one row too.
     *
     * @param positions [batch, seq], as without a prompt
     * @return [batch, seq] after a prefix, [batch, virtual + seq] after embeddings
     */
    static int[] positions(int[] positions, int seq, @Nullable Prompt prompt) {
        if (prompt == null) {
            return positions;
        }
        int virtual = prompt.length();
        if (prompt instanceof Prompt.Prefix) {
            return shifted(positions, virtual);
        }
        int rows = positions.length / seq;
        int[] all = new int[positions.length + rows * virtual];
        for (int row = 0; row < rows; row++) {
            int start = row * (virtual + seq);
            for (int t = 0; t < virtual + seq; t++) {
                all[start + t] = t < virtual ? t : positions[row * seq + t - virtual] + virtual;
            }
        }
        return all;
    }

    /** The positions of tokens that come so much later. */
    static int[] shifted(int[] positions, int by) {
        return Arrays.stream(positions).map(position -> position + by).toArray();
    }

    /**
     * The mask of a whole batch after a prompt that every token sees.
     *
     * @param tokens boolean [batch, 1, seq, seq] between the tokens, or null where being causal says it all
     * @return boolean [batch or 1, 1, queries, virtual + seq], or null where being causal still says it all
     */
    static @Nullable Tensor mask(@Nullable Tensor tokens, int seq, @Nullable Prompt prompt) {
        if (prompt == null || (tokens == null && prompt instanceof Prompt.Embeddings)) {
            return tokens;
        }
        int virtual = prompt.length();
        Tensor among = tokens == null ? causal(seq, seq) : tokens;
        long rows = among.size(0);
        Tensor seen = Tensors.ones(DType.BOOL, Device.CPU, rows, 1, seq, virtual);
        Tensor ofTokens = Tensors.cat(List.of(seen, among), 3); // [rows, 1, seq, virtual + seq]
        if (prompt instanceof Prompt.Prefix) {
            return ofTokens;
        }
        Tensor ofVirtual = causal(virtual, virtual + seq).expand(rows, 1, virtual, virtual + seq);
        return Tensors.cat(List.of(ofVirtual, ofTokens), 2); // [rows, 1, virtual + seq, virtual + seq]
    }

    /** Query i sees keys 0..i: boolean [1, 1, queries, keys]. */
    private static Tensor causal(int queries, int keys) {
        byte[] mask = new byte[queries * keys];
        for (int query = 0; query < queries; query++) {
            Arrays.fill(mask, query * keys, query * keys + query + 1, (byte) 1);
        }
        return Tensors.of(mask, 1, 1, queries, keys).to(DType.BOOL);
    }

    /** Which of the cached and new tokens are real, with the virtual ones before them: [batch, virtual + keys]. */
    static byte[] seenAfter(int virtual, byte[] seenMask, int rows) {
        int keys = seenMask.length / rows;
        byte[] all = new byte[seenMask.length + rows * virtual];
        for (int row = 0; row < rows; row++) {
            int start = row * (virtual + keys);
            Arrays.fill(all, start, start + virtual, (byte) 1);
            System.arraycopy(seenMask, row * keys, all, start + virtual, keys);
        }
        return all;
    }
}
