package org.finetune4j.model.fused;

import org.finetune4j.tensor.Arena;
import org.finetune4j.tensor.OutVariants;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * {@code softmax(scale Q K^T) V} and its derivatives, a block of queries at a time (after Rabe and Staats 2021): the square of scores
 * never exists, keys that come after a block are left out, and the scores are made again on the way back. The query heads that share a
 * head of keys lie below each other in one matrix, so that a block is one product with their keys.
 *
 * <p>What {@link #queries}, {@link #keys}, {@link #values} and {@link #attended} give is filled in first, or read afterwards; all of it
 * is in the arena until this is closed.
 */
final class BlockAttention implements AutoCloseable {

    /** Queries of a block: fewer make the products thin, more calculate scores that causality hides. */
    private static final long BLOCK = 64;

    /** Blocks of short sequences, and keys before a block, are a multiple of this, so that sizes of products come again. */
    private static final long STEP = 16;

    /** Scores that are made at once, which a core's cache should hold, as far as they may be divided. */
    private static final long SCORES = 1 << 20;

    /**
     * The sizes of one attention over keys of its own and shared ones.
     *
     * @param rows sequences
     * @param kvHeads heads of keys and values
     * @param group query heads for each of them
     * @param headDim size of a head
     * @param tokens queries of a sequence, and keys of its own
     * @param shared keys before these, which all its queries see
     */
    record Sizes(long rows, long kvHeads, long group, long headDim, long tokens, long shared) {

        private long block() {
            return Math.min(BLOCK, (tokens + STEP - 1) / STEP * STEP);
        }

        private long blocks() {
            return (tokens + block() - 1) / block();
        }

        /** Keys that nobody sees, before the shared ones. */
        private long filler() {
            return (STEP - shared % STEP) % STEP;
        }

        /** Keys before those of the tokens. */
        private long before() {
            return filler() + shared;
        }

        /** Keys with those that fill up. */
        private long keys() {
            return before() + blocks() * block();
        }

        private boolean isPadded() {
            return tokens % block() != 0;
        }

        private boolean fillsKeysUp() {
            return isPadded() || filler() > 0;
        }

        private long matrices() {
            return rows * kvHeads;
        }

        /** Matrices whose scores are made at once: all, those of a row, or one. */
        private long matricesAtOnce() {
            long ofOne = group * block() * keys();
            if (matrices() * ofOne <= SCORES) {
                return matrices();
            }
            return kvHeads * ofOne <= SCORES ? kvHeads : 1;
        }
    }

    /**
     * Vectors of queries, block after block: [blocks, rows * kvHeads, group * block, headDim].
     *
     * @param sizes of all
     * @param all the blocks
     */
    record ByBlocks(Sizes sizes, Tensor all) {

        /** [rows, kvHeads, group, blocks, block, headDim] of the whole blocks. */
        private Tensor whole(long blocks) {
            return all.narrow(0, 0, blocks)
                    .view(blocks, sizes.rows, sizes.kvHeads, sizes.group, sizes.block(), sizes.headDim)
                    .permute(1, 2, 3, 0, 4, 5);
        }

        /** [rows, kvHeads, group, rest, headDim] of the last block. */
        private Tensor last(long rest) {
            return all.select(0, sizes.blocks() - 1)
                    .view(sizes.rows, sizes.kvHeads, sizes.group, sizes.block(), sizes.headDim)
                    .narrow(3, 0, rest);
        }

        private Tensor split(Tensor heads, long blocks) {
            return heads.view(sizes.rows, sizes.kvHeads, sizes.group, blocks, sizes.block(), sizes.headDim);
        }

        private interface Copy {
            void between(Tensor blocks, Tensor heads);
        }

        private void each(Tensor heads, Copy copy) {
            long block = sizes.block();
            long blocks = sizes.tokens / block;
            long rest = sizes.tokens % block;
            if (blocks > 0) {
                copy.between(whole(blocks), split(heads.narrow(3, 0, blocks * block), blocks));
            }
            if (rest > 0) {
                copy.between(last(rest), heads.narrow(3, blocks * block, rest));
            }
        }

        /** Copies from [rows, kvHeads, group, tokens, headDim]; what fills the last block up is 0. */
        void read(Tensor heads) {
            if (sizes.isPadded()) {
                all.select(0, sizes.blocks() - 1).zeroInPlace();
            }
            each(heads, Tensor::copyInPlace);
        }

        /** Copies to [rows, kvHeads, group, tokens, headDim]. */
        void write(Tensor heads) {
            each(heads, (blocks, destination) -> destination.copyInPlace(blocks));
        }

        private Tensor block(long number, Part part) {
            Tensor ofAll = all.select(0, number);
            return part.count == sizes.matrices() ? ofAll : ofAll.narrow(0, part.from, part.count);
        }
    }

    /**
     * Some of the matrices.
     *
     * @param from the first, counted through rows and heads of keys
     * @param count how many
     */
    private record Part(long from, long count) {

        private Tensor of(Tensor keys, long visible) {
            Tensor own = count == keys.size(0) ? keys : keys.narrow(0, from, count);
            return visible == keys.size(1) ? own : own.narrow(1, 0, visible);
        }
    }

    private final Sizes sizes;
    private final double scale;
    private final Arena.Region region;
    private final boolean causal;
    private final Tensor hidden; // causal: [block, block]; otherwise [rows or 1, 1, queries, keys]; added to scores
    private final ByBlocks queries;
    private final ByBlocks attended;
    private final Tensor keys; // [rows * kvHeads, keys, headDim]
    private final Tensor values;
    private final Tensor scores; // flat
    private @Nullable ByBlocks ofQueries;
    private @Nullable Tensor ofKeys;
    private @Nullable Tensor ofValues;

    /**
     * Takes memory for one call.
     *
     * @param mask boolean, [rows or 1, 1, tokens, shared + tokens] or its last dimensions, true where a key is seen; or null
     * @param causal whether, without a mask, a query sees the shared keys, its own and those before it; otherwise it sees all
     */
    BlockAttention(Arena arena, Sizes sizes, double scale, @Nullable Tensor mask, boolean causal) {
        this.sizes = sizes;
        this.scale = scale;
        this.causal = causal && mask == null;
        this.region = arena.open();
        this.hidden = this.causal ? upperTriangle() : hidden(mask);
        this.queries = byBlocks();
        this.attended = byBlocks();
        this.keys = keysOrValues();
        this.values = keysOrValues();
        if (sizes.fillsKeysUp()) {
            keys.zeroInPlace();
            values.zeroInPlace();
        }
        this.scores = scoresOfABlock();
    }

    private ByBlocks byBlocks() {
        return new ByBlocks(
                sizes, region.take(sizes.blocks(), sizes.matrices(), sizes.group * sizes.block(), sizes.headDim));
    }

    private Tensor keysOrValues() {
        return region.take(sizes.matrices(), sizes.keys(), sizes.headDim);
    }

    private Tensor scoresOfABlock() {
        return region.take(sizes.matricesAtOnce() * sizes.group * sizes.block() * sizes.keys());
    }

    private Tensor upperTriangle() {
        int block = (int) sizes.block();
        float[] added = new float[block * block];
        for (int query = 0; query < block; query++) {
            for (int key = query + 1; key < block; key++) {
                added[query * block + key] = Float.NEGATIVE_INFINITY;
            }
        }
        return region.take(block, block).copyInPlace(Tensors.of(added, block, block));
    }

    /** What fills the last block up sees all and is seen by nothing. */
    private Tensor hidden(@Nullable Tensor mask) {
        long rows = mask == null || mask.dim() < 4 ? 1 : mask.size(0);
        long seen = sizes.shared + sizes.tokens;
        Tensor added = region.take(rows, 1, sizes.blocks() * sizes.block(), sizes.keys())
                .zeroInPlace();
        Tensor ofTokens = added.narrow(2, 0, sizes.tokens);
        long filler = sizes.filler();
        ofTokens.narrow(3, 0, filler).fillInPlace(Double.NEGATIVE_INFINITY);
        ofTokens.narrow(3, filler + seen, sizes.keys() - filler - seen).fillInPlace(Double.NEGATIVE_INFINITY);
        if (mask != null) {
            ofTokens.narrow(3, filler, seen)
                    .maskedFillInPlace(mask.view(rows, 1, sizes.tokens, seen).logicalNot(), Double.NEGATIVE_INFINITY);
        }
        return added;
    }

    ByBlocks queries() {
        return queries;
    }

    /** Set by {@link #forward}; to be set to d(loss)/d(attended) before {@link #backward}. */
    ByBlocks attended() {
        return attended;
    }

    /** [rows, kvHeads, keys, headDim]: those that are shared, then those of the tokens; more may follow. */
    Tensor keys() {
        return byRows(keys);
    }

    /** As {@link #keys}. */
    Tensor values() {
        return byRows(values);
    }

    private Tensor byRows(Tensor all) {
        Tensor byRows = all.view(sizes.rows, sizes.kvHeads, sizes.keys(), sizes.headDim);
        return sizes.filler() == 0 ? byRows : byRows.narrow(2, sizes.filler(), sizes.keys() - sizes.filler());
    }

    ByBlocks ofQueries() {
        return made(ofQueries);
    }

    /** Of the layout of {@link #keys}. */
    Tensor ofKeys() {
        return byRows(made(ofKeys));
    }

    /** Of the layout of {@link #keys}. */
    Tensor ofValues() {
        return byRows(made(ofValues));
    }

    private static <T> T made(@Nullable T gradient) {
        if (gradient == null) {
            throw new IllegalStateException("gradients are there after backward");
        }
        return gradient;
    }

    private interface Work {
        void on(Part part, long block, long visible);
    }

    private void each(Work work) {
        long atOnce = sizes.matricesAtOnce();
        for (long from = 0; from < sizes.matrices(); from += atOnce) {
            Part part = new Part(from, atOnce);
            for (long block = 0; block < sizes.blocks(); block++) {
                long visible = causal ? sizes.before() + (block + 1) * sizes.block() : sizes.keys();
                work.on(part, block, visible);
            }
        }
    }

    private Tensor matrix(Tensor flat, Part part, long visible) {
        long rows = sizes.group * sizes.block();
        long count = part.count * rows * visible;
        return (count == flat.size(0) ? flat : flat.narrow(0, 0, count)).view(part.count, rows, visible);
    }

    /**
     * [count, group * block, visible]
     *
     * @param asking [count, group * block, headDim], the block's queries
     * @param seen [count, visible, headDim], the keys that it sees
     */
    private Tensor probabilities(Part part, long block, long visible, Tensor asking, Tensor seen) {
        Tensor made = matrix(scores, part, visible);
        OutVariants.addProducts(made, 0, asking, seen.transpose(1, 2), scale);
        if (causal) {
            made.view(part.count * sizes.group, sizes.block(), visible)
                    .narrow(2, visible - sizes.block(), sizes.block())
                    .addInPlace(hidden);
            if (sizes.filler() > 0) {
                made.narrow(2, 0, sizes.filler()).fillInPlace(Double.NEGATIVE_INFINITY);
            }
        } else {
            Tensor added = hidden.narrow(2, block * sizes.block(), sizes.block());
            if (added.size(0) > 1) {
                added = added.narrow(0, part.from / sizes.kvHeads, Math.max(1, part.count / sizes.kvHeads));
            }
            made.view(added.size(0), part.count * sizes.group / added.size(0), sizes.block(), visible)
                    .addInPlace(added);
        }
        OutVariants.softmaxInPlace(made);
        return made;
    }

    /** Sets {@link #attended}. */
    void forward() {
        each((part, block, visible) -> {
            Tensor made = probabilities(part, block, visible, queries.block(block, part), part.of(keys, visible));
            OutVariants.addProducts(attended.block(block, part), 0, made, part.of(values, visible), 1);
        });
    }

    /** Makes {@link #ofQueries}, {@link #ofKeys} and {@link #ofValues}. */
    void backward() {
        ByBlocks towardsQueries = byBlocks();
        Tensor towardsKeys = keysOrValues().zeroInPlace();
        Tensor towardsValues = keysOrValues().zeroInPlace();
        Tensor towardsScores = scoresOfABlock();
        each((part, block, visible) -> {
            Tensor asking = queries.block(block, part);
            Tensor seen = part.of(keys, visible);
            Tensor made = probabilities(part, block, visible, asking, seen);
            Tensor arrived = attended.block(block, part); // [count, group * block, headDim]
            Tensor ofScores = matrix(towardsScores, part, visible); // [count, group * block, visible]
            OutVariants.addProducts(part.of(towardsValues, visible), 1, made.transpose(1, 2), arrived, 1);
            OutVariants.addProducts(
                    ofScores, 0, arrived, part.of(values, visible).transpose(1, 2), 1);
            OutVariants.softmaxBackwardInPlace(ofScores, made);
            OutVariants.addProducts(towardsQueries.block(block, part), 0, ofScores, seen, scale);
            OutVariants.addProducts(part.of(towardsKeys, visible), 1, ofScores.transpose(1, 2), asking, scale);
        });
        ofQueries = towardsQueries;
        ofKeys = towardsKeys;
        ofValues = towardsValues;
    }

    @Override
    public void close() {
        region.close();
    }
}
