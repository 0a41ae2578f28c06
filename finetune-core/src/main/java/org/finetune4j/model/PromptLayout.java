package org.finetune4j.model;

import java.util.Arrays;
import java.util.List;
import org.finetune4j.nn.Prompt;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Positions and masks of sequences that start with virtual tokens. Every token sees the virtual ones as if its own sequence
 * followed them directly, whatever padding or other sequence lies between them in the row.
 */
final class PromptLayout {

    private PromptLayout() {}

    /** The positions of tokens that come so much later. */
    static int[] shifted(int[] positions, int by) {
        return by == 0
                ? positions
                : Arrays.stream(positions).map(position -> position + by).toArray();
    }

    /**
     * The mask of a whole batch after a prompt.
     *
     * @param tokens boolean [batch or 1, 1, seq, seq] between the tokens, or null where being causal, or not being it, says it
     *     all
     * @param positions [batch, seq] of the tokens, virtual ones not counted
     * @param window how many tokens a token sees at most, itself and those before it, virtual ones among them
     * @param causal whether a token sees nothing after it
     * @return boolean [batch or 1, 1, queries, virtual + seq], or null where that still says it all
     */
    static @Nullable Tensor starting(
            @Nullable Tensor tokens, int[] positions, int seq, Prompt prompt, int window, boolean causal) {
        int virtual = prompt.length();
        boolean isSaid = !causal || prompt instanceof Prompt.Embeddings;
        if (tokens == null && isSaid && window >= virtual + seq) {
            return null;
        }
        Tensor between = tokens == null ? between(seq, window, causal) : tokens;
        Tensor ofTokens = beside(virtualColumns(positions, seq, virtual, window), between);
        if (prompt instanceof Prompt.Prefix) {
            return ofTokens;
        }
        long rows = ofTokens.size(0);
        Tensor ofVirtual = causal(virtual, virtual + seq, window).expand(rows, 1, virtual, virtual + seq);
        return Tensors.cat(List.of(ofVirtual, ofTokens), 2); // [rows, 1, virtual + seq, virtual + seq]
    }

    /** What tokens see of each other where that has no mask: boolean [1, 1, seq, seq]. */
    private static Tensor between(int seq, int window, boolean causal) {
        return causal ? causal(seq, seq, window) : Tensors.ones(DType.BOOL, Device.CPU, 1, 1, seq, seq);
    }

    /** [rows or 1, 1, seq, a] and [rows or 1, 1, seq, b] to [rows or 1, 1, seq, a + b]. */
    private static Tensor beside(Tensor left, Tensor right) {
        long rows = Math.max(left.size(0), right.size(0));
        return Tensors.cat(List.of(expanded(left, rows), expanded(right, rows)), 3);
    }

    private static Tensor expanded(Tensor mask, long rows) {
        return mask.expand(rows, 1, mask.size(2), mask.size(3));
    }

    /** Which virtual tokens each token sees: boolean [batch or 1, 1, seq, virtual]. */
    private static Tensor virtualColumns(int[] positions, int seq, int virtual, int window) {
        int longest = Arrays.stream(positions).max().orElse(0);
        if (window > virtual + longest) {
            return Tensors.ones(DType.BOOL, Device.CPU, 1, 1, seq, virtual);
        }
        byte[] mask = new byte[positions.length * virtual];
        for (int i = 0; i < positions.length; i++) {
            int from = Math.max(0, virtual + positions[i] + 1 - window);
            Arrays.fill(mask, i * virtual + Math.min(from, virtual), (i + 1) * virtual, (byte) 1);
        }
        return Tensors.of(mask, positions.length / seq, 1, seq, virtual).to(DType.BOOL);
    }

    /** Query i sees keys up to i and within the window: boolean [1, 1, queries, keys]. */
    private static Tensor causal(int queries, int keys, int window) {
        byte[] mask = new byte[queries * keys];
        for (int query = 0; query < queries; query++) {
            int from = query + 1 - Math.min(window, query + 1);
            Arrays.fill(mask, query * keys + from, query * keys + query + 1, (byte) 1);
        }
        return Tensors.of(mask, 1, 1, queries, keys).to(DType.BOOL);
    }
}
