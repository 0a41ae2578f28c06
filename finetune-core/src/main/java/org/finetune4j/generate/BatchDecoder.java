package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import org.finetune4j.generate.RowPass.Segment;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.KeyValueCache.KeyValues;
import org.finetune4j.nn.PackedWeights;
import org.finetune4j.nn.Prompt;
import org.finetune4j.nn.PromptExtension;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Runs a model over rows that grow, come and go: the tokens of a row that are new go in, the scores of the next one come out.
 * Nothing is computed twice, but where the model rotates longer sequences otherwise (longrope): there the tokens of a row are
 * read once more when it gets that long.
 */
final class BatchDecoder implements AutoCloseable {

    /** Packing takes as long as reading the weights some times, and a short answer would not earn it back. */
    private static final int WORTH_PACKING = 64;

    private final CausalLM model;
    private final RowCache cache;
    private final PackedWeights packed;

    /** Tokens that passes have computed which had one new token a row. */
    private int decoded;

    /** Whether passes multiply with packed weights. */
    private boolean packs;

    private boolean closed;

    /**
     * @param mostTokens how many tokens, virtual ones among them, there is room for in all rows together and in prefixes
     * @param prefixTokens how many of them may be kept for rows that come later
     * @param packedBytes what copies of weights may take
     */
    BatchDecoder(CausalLM model, long mostTokens, long prefixTokens, long packedBytes) {
        this.model = model;
        this.cache = new RowCache(mostTokens, prefixTokens);
        this.packed = new PackedWeights(packedBytes);
        this.packs = model.isPackedForGeneration();
    }

    /** Packs the weights before the first row needs them. */
    void prepare() {
        try (CausalLM.Entry entry = model.enter();
                Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            packs = true;
            ModelInputs inputs = ModelInputs.of(new int[] {0});
            SequenceContext context = model.context(inputs, (Prompt) null).withPackedWeights(packed);
            model.scores(model.hiddenStates(inputs, context).select(1, 0), context); // [1, vocabulary]
        }
    }

    /** While no row is under way, training may change its weights. */
    void idle() {
        packed.forgetChanged();
    }

    /** Whose keys a row may begin with: the same scope, the same speeds of rotation. */
    private record Prefix(Object scope, List<Integer> regimes) {}

    /** What came of a pass. */
    record Scores(List<DecoderRow> rows, @Nullable Tensor scores) {}

    /** Whether a row of so many tokens has room when there is no other. */
    boolean canHold(int tokens) {
        return cache.canHold(model.virtualTokens() + tokens);
    }

    /** Gives a row a place for up to {@code tokens}; false where there is no room now. */
    boolean add(DecoderRow row, int tokens) {
        return cache.add(row, model.virtualTokens() + tokens);
    }

    /** Lets a row become longer than it said at first; false where there is no room. */
    boolean extend(DecoderRow row, int tokens) {
        return cache.extend(row, model.virtualTokens() + tokens);
    }

    /** Takes a row's place away, where it has one. */
    void remove(DecoderRow row) {
        cache.remove(row);
    }

    /** Clears what a row has in the cache, which may be no numbers. */
    void clear(DecoderRow row) {
        if (row.block != null) {
            row.block.clear(row);
            row.readAgain();
        }
    }

    /** Lets a row that has a place begin with the first {@code tokens} that another row has read. */
    void copy(DecoderRow from, DecoderRow to, int tokens) {
        int keys = from.keys - (from.read() - tokens);
        cache.copy(from, to, keys);
        to.setRead(tokens, keys);
        to.rotatedLength = from.rotatedLength;
    }

    /**
     * Lets a row that has a place and has read nothing begin with what an earlier row read of the same text.
     *
     * @param scope equal for rows that may share
     * @return how many tokens need not be read
     */
    int recall(DecoderRow row, Object scope) {
        if (!cache.keepsPrefixes() || model.promptExtension() != null || row.read() > 0) {
            return 0;
        }
        int length = row.tokens().length();
        int known =
                cache.recall(new Prefix(scope, regimes(length)), row, length - 1); // the last is read for its scores
        row.setRead(known, known);
        row.rotatedLength = length;
        return known;
    }

    /** Keeps what a row has read, all of whose scores were numbers, for rows that come later. */
    void remember(DecoderRow row, Object scope) {
        if (!cache.keepsPrefixes() || model.promptExtension() != null || row.keys != row.read()) {
            return;
        }
        List<Integer> regimes = regimes(row.rotatedLength);
        if (regimes.equals(regimes(row.tokens().promptLength()))) { // else its keys are of two kinds
            cache.remember(new Prefix(scope, regimes), row);
        }
    }

    private List<Integer> regimes(int length) {
        DecoderModel network = model.network();
        return network.attentionKinds().stream()
                .map(network::rotaryEmbedding)
                .map(rotary -> rotary == null ? 0 : rotary.regime(length))
                .toList();
    }

    /** What is kept for rows that come later takes, in bytes. */
    long prefixBytes() {
        return cache.prefixBytes();
    }

    /** Forgets what was kept for rows that come later. */
    void forgetPrefixes() {
        cache.forgetPrefixes();
    }

    /** Puts rows in the place of all rows of one block: each has what the row at its place in {@code order} has read. */
    void select(RowBlock block, int[] order, List<DecoderRow> newRows) {
        try (TensorScope scope = TensorScope.open()) {
            List<DecoderRow> old = List.copyOf(block.rows());
            for (int i = 0; i < order.length; i++) {
                DecoderRow from = old.get(order[i]);
                newRows.get(i).setRead(from.read(), from.keys);
                newRows.get(i).rotatedLength = from.rotatedLength;
            }
            block.select(Tensors.of(order, order.length).to(model.device()), newRows);
        }
    }

    /** What the keys and values of all rows take, in bytes. */
    long bytes() {
        return cache.bytes();
    }

    /** What copies of weights take, in bytes. */
    long packedBytes() {
        return packed.bytes();
    }

    /** Frees what no row has. */
    void trim() {
        cache.trim();
    }

    /**
     * Reads the new tokens of rows.
     *
     * @param rows that have a place and something to read
     * @param limit how many tokens one pass has at most, one of each row at least: what is more is for the next
     * @return the scores [rows, vocabulary] after the last tokens of the rows that are now read, in the order of {@code rows}
     *     and in the caller's scope
     */
    Scores read(List<DecoderRow> rows, int limit) {
        try (CausalLM.Entry entry = model.enter();
                Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            if (closed) {
                throw new IllegalStateException("generation used after close");
            }
            rows.forEach(this::forgetOtherRotation);
            List<Segment> segments = new ArrayList<>();
            int left = Math.max(0, limit - rows.size());
            List<Tensor> lasts = new ArrayList<>(); // [some rows, vocabulary]
            List<DecoderRow> done = new ArrayList<>();
            for (DecoderRow row : rows) {
                Prompt prompt = row.keys == 0 ? prompt(row.task()) : null;
                if (prompt instanceof Prompt.Embeddings virtual) {
                    lasts.add(begin(row, virtual));
                    done.add(row);
                    continue;
                }
                if (prompt instanceof Prompt.Prefix prefix) {
                    put(row, prefix);
                }
                int count = Math.min(row.tokens().length() - row.read(), 1 + left);
                left -= count - 1;
                segments.add(new Segment(row, count));
            }
            if (!segments.isEmpty()) {
                Scores more = read(segments);
                done.addAll(more.rows);
                if (more.scores != null) {
                    lasts.add(more.scores);
                }
            }
            cache.begin(null);
            return inOrder(rows, done, lasts, scope);
        } catch (RuntimeException | Error e) {
            if (!closed) {
                cache.forget(); // Nobody knows how far a pass came that failed: everything is read again.
            }
            throw e;
        }
    }

    private void forgetOtherRotation(DecoderRow row) {
        DecoderModel network = model.network();
        int length = model.virtualTokens() + row.tokens().length();
        boolean other = row.keys > 0
                && network.attentionKinds().stream()
                        .map(network::rotaryEmbedding)
                        .anyMatch(rotary -> rotary != null && !rotary.canGrow(row.rotatedLength, length));
        if (other) {
            row.readAgain();
        }
        row.rotatedLength = length;
    }

    private @Nullable Prompt prompt(@Nullable Integer task) {
        PromptExtension extension = model.promptExtension();
        int[] tasks = task == null ? null : new int[] {task};
        return extension == null ? null : extension.prompt(tasks, model.computeDType(), Dropout.OFF);
    }

    /** Keys and values of virtual tokens: nothing is computed with them. */
    private void put(DecoderRow row, Prompt.Prefix prefix) {
        pass(List.of(new Segment(row, prefix.length())));
        for (int layer = 0; layer < prefix.layers().size(); layer++) {
            KeyValues virtual = prefix.layers().get(layer);
            cache.put(layer, virtual.keys(), virtual.values());
        }
        row.setRead(0, prefix.length());
    }

    /** Reads a whole row after vectors that come before its tokens; gives the scores [1, vocabulary]. */
    private Tensor begin(DecoderRow row, Prompt.Embeddings prompt) {
        int count = row.tokens().length();
        pass(List.of(new Segment(row, prompt.length() + count)));
        ModelInputs inputs = ModelInputs.of(tokens(row, 0, count));
        SequenceContext context =
                withAdapters(packed(model.context(inputs, prompt).withCache(cache)), List.of(new Segment(row, 1)));
        Tensor hidden = model.hiddenStates(inputs, context); // [1, virtual + count, hidden]
        row.setRead(count, prompt.length() + count);
        return model.scores(hidden.select(1, hidden.size(1) - 1), context); // [1, vocabulary]
    }

    private RowPass pass(List<Segment> segments) {
        RowPass pass = new RowPass(model.network(), model.device(), cache.blocks(), segments);
        cache.begin(pass);
        return pass;
    }

    /** All new tokens in one batch, a row of the batch each. */
    private Scores read(List<Segment> unordered) {
        List<Segment> segments = pass(unordered).segments();
        int tokens = segments.stream().mapToInt(Segment::count).sum();
        int[] ids = new int[tokens];
        int[] positions = new int[tokens];
        int[] lengths = new int[tokens];
        byte[] real = new byte[tokens];
        Arrays.fill(real, (byte) 1);
        int at = 0;
        for (Segment segment : segments) {
            DecoderRow row = segment.row();
            for (int i = 0; i < segment.count(); i++, at++) {
                ids[at] = row.tokens().get(row.read() + i);
                positions[at] = row.read() + i;
                lengths[at] = row.tokens().length();
            }
        }
        ModelInputs inputs = new ModelInputs(tokens, 1, ids, real, positions);
        if (!packs && segments.stream().allMatch(segment -> segment.count() == 1)) {
            decoded += tokens;
            packs = decoded > WORTH_PACKING;
        }
        SequenceContext plain = packed(model.context(inputs, cache, lengths));
        Tensor hidden =
                model.hiddenStates(inputs, withAdapters(plain, segments)).select(1, 0); // [tokens, hidden]
        IdentityHashMap<DecoderRow, Integer> lastToken = new IdentityHashMap<>();
        int token = 0;
        for (Segment segment : segments) {
            token += segment.count();
            DecoderRow row = segment.row();
            row.setRead(row.read() + segment.count(), segment.keys());
            lastToken.put(row, token - 1);
        }
        List<DecoderRow> done =
                unordered.stream().map(Segment::row).filter(DecoderRow::isRead).toList();
        if (done.isEmpty()) {
            return new Scores(List.of(), null);
        }
        int[] last =
                done.stream().mapToInt(row -> lastToken.getOrDefault(row, 0)).toArray();
        Tensor ends = isAll(last, tokens)
                ? hidden
                : hidden.indexSelect(0, Tensors.of(last, last.length).to(model.device()));
        List<Segment> one = done.stream().map(row -> new Segment(row, 1)).toList();
        return new Scores(done, model.scores(ends, withAdapters(plain, one))); // [rows, vocabulary]
    }

    private SequenceContext packed(SequenceContext context) {
        return packs ? context.withPackedWeights(packed) : context;
    }

    private static boolean isAll(int[] index, int count) {
        for (int i = 0; i < index.length; i++) {
            if (index[i] != i) {
                return false;
            }
        }
        return index.length == count;
    }

    private static int[] tokens(DecoderRow row, int from, int to) {
        int[] ids = new int[to - from];
        Arrays.setAll(ids, i -> row.tokens().get(from + i));
        return ids;
    }

    private SequenceContext withAdapters(SequenceContext context, List<Segment> segments) {
        return RowAdapterGroups.of(segments, model.device())
                .map(context::withRowGroups)
                .orElse(context);
    }

    private Scores inOrder(List<DecoderRow> rows, List<DecoderRow> done, List<Tensor> lasts, TensorScope scope) {
        if (done.isEmpty()) {
            return new Scores(List.of(), null);
        }
        Tensor scores = lasts.size() == 1 ? lasts.get(0) : Tensors.cat(lasts, 0);
        List<DecoderRow> ordered = rows.stream().filter(DecoderRow::isRead).toList();
        if (!ordered.equals(done)) {
            int[] order = ordered.stream().mapToInt(done::indexOf).toArray();
            scores = scores.indexSelect(0, Tensors.of(order, order.length).to(model.device()));
        }
        return new Scores(ordered, scope.keep(scores));
    }

    @Override
    public void close() {
        closed = true;
        cache.close();
        packed.close();
    }
}
