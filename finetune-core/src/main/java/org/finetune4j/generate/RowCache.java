package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.KeyValueCache;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * The keys and values of rows that come and go and have lengths of their own. Rows that may become about as long share a
 * {@link RowBlock}; the blocks together are bounded.
 */
final class RowCache implements KeyValueCache, AutoCloseable {

    private static final int SMALLEST_BLOCK = 256;

    private final List<RowBlock> blocks = new ArrayList<>();
    private final PrefixPages prefixes = new PrefixPages();
    private final long mostTokens;
    private final long prefixTokens;
    private @Nullable RowPass pass;

    /**
     * @param mostTokens how many tokens all rows and prefixes together have room for
     * @param prefixTokens how many of them prefixes may have
     */
    RowCache(long mostTokens, long prefixTokens) {
        this.mostTokens = mostTokens;
        this.prefixTokens = prefixTokens;
    }

    /** How many tokens of room a row takes that gets up to {@code tokens}. */
    private int room(int tokens) {
        int room = SMALLEST_BLOCK;
        while (room < tokens) {
            room = room > Integer.MAX_VALUE / 2 ? Integer.MAX_VALUE : 2 * room;
        }
        return (int) Math.min(room, mostTokens);
    }

    /** Whether a row of so many tokens has room when there is no other. */
    boolean canHold(int tokens) {
        return tokens <= mostTokens;
    }

    /**
     * Gives a row a place.
     *
     * @param tokens how many it gets at most, virtual ones among them
     * @return false where there is no room now
     */
    boolean add(DecoderRow row, int tokens) {
        int room = room(tokens);
        if (room > free(false) - prefixes.tokens()) {
            trim();
            long left = free(true) - room;
            if (left < 0) {
                return false;
            }
            prefixes.shrinkTo(left);
        }
        block(room).add(row);
        return true;
    }

    /** Lets a row begin with what an earlier one read; gives how many tokens it has now. */
    int recall(Object scope, DecoderRow row, int most) {
        return prefixes.give(scope, row, most);
    }

    /** Keeps what a row has read, as far as there is room beside the rows. */
    void remember(Object scope, DecoderRow row) {
        prefixes.take(scope, row, Math.min(prefixTokens, free(false)));
    }

    /** What prefixes take, in bytes. */
    long prefixBytes() {
        return prefixes.bytes();
    }

    /** Whether prefixes are kept. */
    boolean keepsPrefixes() {
        return prefixTokens >= PrefixPages.TOKENS;
    }

    /** Forgets what was kept for later rows. */
    void forgetPrefixes() {
        prefixes.close();
    }

    /** Frees what no row has. */
    void trim() {
        blocks.forEach(RowBlock::trim);
        blocks.removeIf(block -> block.rows().isEmpty());
    }

    /** How much room there is for rows and prefixes, beside the slots that rows have or that there are. */
    private long free(boolean trimmed) {
        long taken = 0;
        for (RowBlock block : blocks) {
            int slots = trimmed
                    ? block.rows().size()
                    : Math.max(block.slots(), block.rows().size());
            taken += (long) slots * block.mostTokens();
        }
        return mostTokens - taken;
    }

    private RowBlock block(int room) {
        for (RowBlock block : blocks) {
            if (block.mostTokens() == room) {
                return block;
            }
        }
        RowBlock block = new RowBlock(room);
        blocks.add(block);
        return block;
    }

    /** Lets a row that has a place become longer than it said at first; false where there is no room. */
    boolean extend(DecoderRow row, int tokens) {
        RowBlock old = row.block;
        if (old == null || tokens <= old.mostTokens()) {
            return old != null || add(row, tokens);
        }
        int room = room(tokens);
        long left = free(false) - room;
        if (left < 0) {
            return false;
        }
        prefixes.shrinkTo(left);
        block(room).adopt(row, old);
        return true;
    }

    /** Takes a row's place away, where it has one. */
    void remove(DecoderRow row) {
        if (row.block != null) {
            row.block.remove(row);
        }
    }

    /** Gives one row the first keys of another, both in one block. */
    void copy(DecoderRow from, DecoderRow to, int keys) {
        RowBlock block = from.block;
        if (block == null || block != to.block) {
            throw new IllegalStateException("only rows of one block can share keys");
        }
        block.require(keys);
        block.copy(from.slot, to.slot, keys);
    }

    /** Forgets all keys; the rows keep their places. */
    void forget() {
        begin(null);
        for (RowBlock block : blocks) {
            block.close();
            block.rows().forEach(DecoderRow::readAgain);
        }
    }

    List<RowBlock> blocks() {
        return blocks;
    }

    /** What the keys and values of all rows take, in bytes. */
    long bytes() {
        return blocks.stream().mapToLong(RowBlock::bytes).sum();
    }

    /** Says which tokens the next batch has, or that there is none. */
    void begin(@Nullable RowPass next) {
        if (pass != null) {
            pass.close();
        }
        pass = next;
    }

    private RowPass pass() {
        if (pass == null) {
            throw new IllegalStateException("nobody said which rows these are");
        }
        return pass;
    }

    @Override
    public int length() {
        return pass().segments().stream()
                .mapToInt(segment -> segment.row().keys)
                .max()
                .orElse(0);
    }

    @Override
    public boolean isForDecoding() {
        return true;
    }

    /** Keeps the keys and values of virtual tokens before all others of a row: [virtual, kvHeads, headDim]. */
    void put(int layer, Tensor keys, Tensor values) {
        long kvHeads = keys.size(1);
        List<RowPass.Part> parts = pass().parts();
        Tensor flatKeys = keys.reshape(-1, keys.size(2)); // [tokens * kvHeads, headDim]
        Tensor flatValues = values.reshape(-1, values.size(2));
        for (int i = 0; i < parts.size(); i++) {
            RowPass.Part part = parts.get(i);
            long from = part.firstToken() * kvHeads;
            long count = part.count() * kvHeads;
            boolean all = parts.size() == 1;
            part.block()
                    .put(
                            layer,
                            pass().index(i, kvHeads),
                            all ? flatKeys : flatKeys.narrow(0, from, count),
                            all ? flatValues : flatValues.narrow(0, from, count),
                            kvHeads);
        }
    }

    @Override
    public Tensor attend(
            int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
        long batch = query.size(0);
        long seq = query.size(1);
        put(
                layer,
                keys.reshape(batch * seq, keys.size(2), keys.size(3)), // [tokens, kvHeads, headDim]
                values.reshape(batch * seq, values.size(2), values.size(3)));
        Tensor queries = query.reshape(batch * seq, query.size(2), query.size(3)); // [tokens, heads, headDim]
        List<RowPass.Run> runs = pass().runs();
        List<Tensor> attended = new ArrayList<>(runs.size());
        for (int i = 0; i < runs.size(); i++) {
            attended.add(attend(layer, runs.get(i), pass().sight(i, attention.kind()), queries, attention));
        }
        Tensor all = attended.size() == 1 ? attended.get(0) : Tensors.cat(attended, 0); // [tokens, heads * headDim]
        return all.view(batch, seq, all.size(-1));
    }

    @Override
    public Tensor rotateAndAttend(
            int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
        RowPass current = pass();
        if (!NewTokens.are(current, layer, query, keys, values)) {
            return KeyValueCache.super.rotateAndAttend(layer, query, keys, values, attention, context);
        }
        NewTokens tokens = new NewTokens(current, attention, attention.rotation(context));
        tokens.keep(layer, keys, values);
        Tensor queries = tokens.rotatedQueries(query); // [tokens, kvHeads, heads / kvHeads, headDim]
        List<RowPass.Run> runs = current.runs();
        List<Tensor> attended = new ArrayList<>(runs.size()); // each [rows, 1, heads * headDim]
        for (int i = 0; i < runs.size(); i++) {
            RowPass.Run run = runs.get(i);
            RowPass.Sight sight = current.sight(i, attention.kind());
            KeyValues room = run.block().layer(layer);
            attended.add(attention.ofNewToken(
                    runs.size() == 1 ? queries : queries.narrow(0, run.firstToken(), run.rows()),
                    new KeyValues(byHeads(room.keys(), run, sight.from()), byHeads(room.values(), run, sight.from())),
                    sight.mask()));
        }
        return attended.size() == 1 ? attended.get(0) : Tensors.cat(attended, 0); // [tokens, 1, heads * headDim]
    }

    private static Tensor attend(int layer, RowPass.Run run, RowPass.Sight sight, Tensor queries, Attention attention) {
        int tokens = run.rows() * run.count();
        Tensor own = tokens == queries.size(0) ? queries : queries.narrow(0, run.firstToken(), tokens);
        KeyValues room = run.block().layer(layer);
        Tensor attended = attention.over(
                own.view(run.rows(), run.count(), own.size(1), own.size(2)), // [rows, count, heads, headDim]
                seen(room.keys(), run, sight.from()),
                seen(room.values(), run, sight.from()),
                sight.mask(),
                true);
        return attended.view(tokens, attended.size(2)); // [tokens, heads * headDim]
    }

    /** [rows, keys, kvHeads, headDim], a view. */
    private static Tensor seen(Tensor room, RowPass.Run run, int from) {
        return byHeads(room, run, from).transpose(1, 2);
    }

    /** [rows, kvHeads, keys, headDim], a view. */
    private static Tensor byHeads(Tensor room, RowPass.Run run, int from) {
        Tensor rows = run.rows() == room.size(0) ? room : room.narrow(0, run.firstSlot(), run.rows());
        return rows.narrow(2, from, run.keys() - (long) from);
    }

    @Override
    public void close() {
        begin(null);
        blocks.forEach(RowBlock::close);
        blocks.clear();
        prefixes.close();
    }
}
