package org.finetune4j.generate;

import java.util.Arrays;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * Runs a model over sequences that grow: tokens go in, the scores of the next one come out. Nothing is computed twice, but
 * where the model rotates longer sequences otherwise (longrope): there the tokens so far are read once more.
 */
final class CachedDecoder implements AutoCloseable {

    private final CausalLM model;
    private final @Nullable RowAdapters rowAdapters;
    private final GrowingKeyValueCache cache;
    private int[] ids = new int[0];
    private byte[] seen = new byte[0];
    private int[] nextPositions = new int[0];

    /** How long the sequences were that the cached keys were rotated for. */
    private int rotatedLength;

    private boolean closed;

    /**
     * @param rowAdapters which adapter each row uses, or null where all use what the model has
     * @param capacity how many tokens a row is going to have, padding included
     */
    CachedDecoder(CausalLM model, @Nullable RowAdapters rowAdapters, int capacity) {
        this.model = model;
        this.rowAdapters = rowAdapters;
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
        ids = new int[rows * longest];
        seen = new byte[ids.length];
        nextPositions = new int[rows];
        for (int row = 0; row < rows; row++) {
            int[] tokens = sequences.get(row);
            int end = (row + 1) * longest;
            System.arraycopy(tokens, 0, ids, end - tokens.length, tokens.length);
            Arrays.fill(seen, end - tokens.length, end, (byte) 1);
            nextPositions[row] = tokens.length;
        }
        return readAll();
    }

    private Tensor readAll() {
        cache.truncate(0);
        int rows = nextPositions.length;
        return run(new ModelInputs(rows, ids.length / rows, ids, seen, null));
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
        lookBack(1, tokens);
        nextPositions[0] += tokens.length;
        return mustReadAgain() ? readAll() : run(new ModelInputs(1, tokens.length, tokens, real, positions));
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
        lookBack(rows, tokens);
        for (int row = 0; row < rows; row++) {
            nextPositions[row]++;
        }
        return mustReadAgain() ? readAll() : run(new ModelInputs(rows, 1, tokens, real, positions));
    }

    /** Whether the cached keys were rotated otherwise than sequences of the present length are. */
    private boolean mustReadAgain() {
        DecoderModel network = model.network();
        return network.attentionKinds().stream()
                .map(network::rotaryEmbedding)
                .anyMatch(rotary -> rotary != null && !rotary.canGrow(rotatedLength, longest()));
    }

    /** How many tokens the longest row has, virtual ones among them, padding not. */
    private int longest() {
        return model.virtualTokens() + Arrays.stream(nextPositions).max().orElse(0);
    }

    /** Puts the rows at {@code rows} in the place of all rows; one row may be taken several times. */
    void selectRows(int[] rows) {
        int length = length();
        int[] selectedIds = new int[rows.length * length];
        byte[] selectedSeen = new byte[rows.length * length];
        int[] selectedPositions = new int[rows.length];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(ids, rows[i] * length, selectedIds, i * length, length);
            System.arraycopy(seen, rows[i] * length, selectedSeen, i * length, length);
            selectedPositions[i] = nextPositions[rows[i]];
        }
        ids = selectedIds;
        seen = selectedSeen;
        nextPositions = selectedPositions;
        cache.selectRows(rows);
    }

    /** Forgets all tokens of the only row after the first {@code tokens}. */
    void truncate(int tokens) {
        cache.truncate(tokens == 0 ? 0 : model.virtualTokens() + tokens);
        ids = Arrays.copyOf(ids, length());
        seen = Arrays.copyOf(seen, length());
        nextPositions = new int[] {length()};
    }

    /** Makes every row longer by its part of {@code tokens}, which are all real. */
    private void lookBack(int rows, int[] tokens) {
        int length = length();
        int added = tokens.length / rows;
        int[] longerIds = new int[rows * (length + added)];
        byte[] longer = new byte[rows * (length + added)];
        Arrays.fill(longer, (byte) 1);
        for (int row = 0; row < rows; row++) {
            int start = row * (length + added);
            System.arraycopy(ids, row * length, longerIds, start, length);
            System.arraycopy(tokens, row * added, longerIds, start + length, added);
            System.arraycopy(seen, row * length, longer, start, length);
        }
        ids = longerIds;
        seen = longer;
    }

    private Tensor run(ModelInputs inputs) {
        try (CausalLM.Entry entry = model.enter();
                TensorScope scope = TensorScope.open()) {
            if (closed) {
                throw new IllegalStateException("session used after close");
            }
            SequenceContext plain = model.context(inputs, cache, seen);
            SequenceContext context = rowAdapters == null
                    ? plain
                    : plain.withRowGroups(rowAdapters.of(inputs.batchSize(), model.device()));
            Tensor hidden = model.hiddenStates(inputs, context); // [rows, virtual + seq, hidden]
            cache.advance((int) hidden.size(1));
            rotatedLength = longest();
            Tensor last = hidden.select(1, hidden.size(1) - 1); // [rows, hidden]
            return scope.keep(model.network().logits(last, context)); // [rows, vocabulary]
        }
    }

    @Override
    public void close() {
        closed = true;
        cache.close();
    }
}
