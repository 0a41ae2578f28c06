package org.finetune4j.generate;

import java.util.Arrays;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** Runs a model over sequences that grow: tokens go in, the scores of the next one come out, nothing is computed twice. */
final class CachedDecoder implements AutoCloseable {

    private final CausalLM model;
    private final GrowingKeyValueCache cache;
    private byte[] seen = new byte[0];
    private int[] nextPositions = new int[0];

    /** @param capacity how many tokens a row is going to have, padding included */
    CachedDecoder(CausalLM model, int capacity) {
        this.model = model;
        this.cache = new GrowingKeyValueCache(model.virtualTokens() + capacity);
    }

    /** How many tokens a row has, padding included. */
    int length() {
        return Math.max(0, cache.length() - model.virtualTokens());
    }

    /**
     * Starts with sequences of any lengths, the shorter ones padded on the left.
     *
     * @return scores [rows, vocabulary] of the tokens that follow, in the caller's scope
     */
    Tensor start(List<int[]> sequences) {
        int rows = sequences.size();
        int longest = sequences.stream().mapToInt(tokens -> tokens.length).max().orElse(0);
        int[] ids = new int[rows * longest];
        seen = new byte[ids.length];
        nextPositions = new int[rows];
        for (int row = 0; row < rows; row++) {
            int[] tokens = sequences.get(row);
            int end = (row + 1) * longest;
            System.arraycopy(tokens, 0, ids, end - tokens.length, tokens.length);
            Arrays.fill(seen, end - tokens.length, end, (byte) 1);
            nextPositions[row] = tokens.length;
        }
        cache.truncate(0);
        return run(new ModelInputs(rows, longest, ids, seen, null));
    }

    /**
     * Goes on with more tokens of the only row.
     *
     * @return scores [1, vocabulary] of the token that follows, in the caller's scope
     */
    Tensor extend(int[] tokens) {
        byte[] real = new byte[tokens.length];
        Arrays.fill(real, (byte) 1);
        int[] positions = new int[tokens.length];
        for (int i = 0; i < tokens.length; i++) {
            positions[i] = nextPositions[0] + i;
        }
        lookBack(1, tokens.length);
        nextPositions[0] += tokens.length;
        return run(new ModelInputs(1, tokens.length, tokens, real, positions));
    }

    /**
     * Goes on with one token a row.
     *
     * @return scores [rows, vocabulary] of the tokens that follow, in the caller's scope
     */
    Tensor next(int[] tokens) {
        int rows = tokens.length;
        byte[] real = new byte[rows];
        Arrays.fill(real, (byte) 1);
        int[] positions = nextPositions.clone();
        lookBack(rows, 1);
        for (int row = 0; row < rows; row++) {
            nextPositions[row]++;
        }
        return run(new ModelInputs(rows, 1, tokens, real, positions));
    }

    /** Puts the rows at {@code rows} in the place of all rows; one row may be taken several times. */
    void selectRows(int[] rows) {
        int length = length();
        byte[] selectedSeen = new byte[rows.length * length];
        int[] selectedPositions = new int[rows.length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(seen, rows[i] * length, selectedSeen, i * length, length);
            selectedPositions[i] = nextPositions[rows[i]];
        }
        seen = selectedSeen;
        nextPositions = selectedPositions;
        cache.selectRows(rows);
    }

    /** Forgets all tokens of the only row after the first {@code tokens}. */
    void truncate(int tokens) {
        cache.truncate(tokens == 0 ? 0 : model.virtualTokens() + tokens);
        seen = Arrays.copyOf(seen, length());
        nextPositions = new int[] {length()};
    }

    /** Makes every row of {@link #seen} longer by {@code added} real tokens. */
    private void lookBack(int rows, int added) {
        int length = length();
        byte[] longer = new byte[rows * (length + added)];
        Arrays.fill(longer, (byte) 1);
        for (int row = 0; row < rows; row++) {
            System.arraycopy(seen, row * length, longer, row * (length + added), length);
        }
        seen = longer;
    }

    private Tensor run(ModelInputs inputs) {
        try (TensorScope scope = TensorScope.open()) {
            SequenceContext context = model.context(inputs, cache, seen);
            Tensor hidden = model.hiddenStates(inputs, context); // [rows, virtual + seq, hidden]
            cache.advance((int) hidden.size(1));
            Tensor last = hidden.select(1, hidden.size(1) - 1); // [rows, hidden]
            return scope.keep(model.network().logits(last)); // [rows, vocabulary]
        }
    }

    @Override
    public void close() {
        cache.close();
    }
}
