package org.finetune4j.model;

import java.util.Arrays;
import java.util.List;
import org.finetune4j.nn.Prompt;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/** Positions and masks of sequences that start with virtual tokens. */
final class PromptLayout {

    private PromptLayout() {}

    /** The positions of tokens that come so much later. */
    static int[] shifted(int[] positions, int by) {
        return by == 0
                ? positions
                : Arrays.stream(positions).map(position -> position + by).toArray();
    }

    /**
     * The mask of a whole batch after a prompt that every token sees, each of several sequences in one row too.
     *
     * @param tokens boolean [batch or 1, 1, seq, seq] between the tokens, or null where being causal says it all
     * @param window how many tokens a token sees at most, itself and those before it, virtual ones among them
     * @return boolean [batch or 1, 1, queries, virtual + seq], or null where being causal still says it all
     */
    static @Nullable Tensor mask(@Nullable Tensor tokens, int seq, Prompt prompt, int window) {
        int virtual = prompt.length();
        if (tokens == null && prompt instanceof Prompt.Embeddings && window >= virtual + seq) {
            return null;
        }
        Tensor among = tokens == null ? causal(0, seq, 0, seq, window) : tokens;
        long rows = among.size(0);
        Tensor seen = causal(virtual, seq, 0, virtual, window).expand(rows, 1, seq, virtual);
        Tensor ofTokens = Tensors.cat(List.of(seen, among), 3); // [rows, 1, seq, virtual + seq]
        if (prompt instanceof Prompt.Prefix) {
            return ofTokens;
        }
        Tensor ofVirtual = causal(0, virtual, 0, virtual + seq, window).expand(rows, 1, virtual, virtual + seq);
        return Tensors.cat(List.of(ofVirtual, ofTokens), 2); // [rows, 1, virtual + seq, virtual + seq]
    }

    /** Which keys, counted from {@code firstKey}, queries from {@code firstQuery} see: boolean [1, 1, queries, keys]. */
    private static Tensor causal(int firstQuery, int queries, int firstKey, int keys, int window) {
        byte[] mask = new byte[queries * keys];
        for (int i = 0; i < queries; i++) {
            for (int j = 0; j < keys; j++) {
                int distance = firstQuery + i - firstKey - j;
                mask[i * keys + j] = (byte) (distance >= 0 && distance < window ? 1 : 0);
            }
        }
        return Tensors.of(mask, 1, 1, queries, keys).to(DType.BOOL);
    }

    /** Which of the cached and new tokens are real, with the virtual ones before them: [batch, virtual + keys]. */
    static byte[] seenAfter(int virtual, byte[] seenMask, int rows) {
        if (virtual == 0) {
            return seenMask;
        }
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
