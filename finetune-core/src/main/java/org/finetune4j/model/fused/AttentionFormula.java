package org.finetune4j.model.fused;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.AttentionView;
import org.finetune4j.nn.SequenceRun;
import org.finetune4j.tensor.Arena;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Attention between the tokens of a batch: which of them see each other, and where their queries, keys and values lie.
 *
 * @param attention heads and scale
 * @param view what is seen
 * @param batch rows
 * @param seq tokens of a row
 * @param arena for what is needed on the way
 */
record AttentionFormula(Attention attention, AttentionView view, long batch, long seq, Arena arena) {

    /** Sequences of one length, and what they see beside themselves. */
    private record Call(
            Span own, @Nullable Span shared, @Nullable Tensor mask, boolean causal) {

        long sharedTokens() {
            return shared == null ? 0 : shared.tokens;
        }
    }

    /**
     * Some tokens of the batch, counted through all its rows.
     *
     * @param start the first
     * @param rows sequences that follow each other
     * @param tokens of each of them
     */
    private record Span(long start, long rows, long tokens) {}

    /** Query heads that share a head of keys and values. */
    private long group() {
        return attention.heads() / attention.kvHeads();
    }

    private List<Call> calls() {
        List<SequenceRun> runs = view.runs();
        if (runs == null) {
            return List.of(new Call(new Span(0, batch, seq), null, view.mask(), view.causal()));
        }
        List<Call> calls = new ArrayList<>();
        List<Long> starts = new ArrayList<>();
        long start = 0;
        for (SequenceRun run : runs) {
            starts.add(start);
            Span shared = run.sharedLength() == 0 ? null : new Span(starts.get(run.shared()), 1, run.sharedLength());
            calls.add(new Call(new Span(start, 1, run.length()), shared, run.mask(), true));
            start += run.length();
        }
        return calls;
    }

    /** Columns of queries, keys and values beside each other. */
    long columns() {
        return (attention.heads() + 2L * attention.kvHeads()) * attention.headDim();
    }

    /**
     * Some columns of a matrix of all tokens, by heads: [rows, kvHeads, perKvHead, tokens, headDim].
     *
     * @param matrix [batch * seq, columns]
     * @param head the first, counted in those that lie before each other in the matrix
     * @param perKvHead how many heads belong to each head of keys
     */
    private Tensor heads(Tensor matrix, Span span, long head, long perKvHead) {
        long dim = attention.headDim();
        return matrix.narrow(0, span.start, span.rows * span.tokens)
                .narrow(1, head * dim, attention.kvHeads() * perKvHead * dim)
                .view(span.rows, span.tokens, attention.kvHeads(), perKvHead, dim)
                .permute(0, 2, 3, 1, 4);
    }

    private Tensor queries(Tensor all, Span span) {
        return heads(all, span, 0, group());
    }

    /** [rows, kvHeads, tokens, headDim] */
    private Tensor keys(Tensor all, Span span) {
        return heads(all, span, attention.heads(), 1).select(2, 0);
    }

    /** [rows, kvHeads, tokens, headDim] */
    private Tensor values(Tensor all, Span span) {
        return heads(all, span, attention.heads() + (long) attention.kvHeads(), 1)
                .select(2, 0);
    }

    private void each(BiConsumer<Call, BlockAttention> work) {
        for (Call call : calls()) {
            try (BlockAttention blocks = new BlockAttention(
                    arena,
                    new BlockAttention.Sizes(
                            call.own.rows,
                            attention.kvHeads(),
                            group(),
                            attention.headDim(),
                            call.own.tokens,
                            call.sharedTokens()),
                    attention.scale(),
                    call.mask,
                    call.causal)) {
                work.accept(call, blocks);
            }
        }
    }

    private void read(Call call, Tensor all, BlockAttention blocks) {
        blocks.queries().read(queries(all, call.own));
        long shared = call.sharedTokens();
        if (call.shared != null) {
            blocks.keys().narrow(2, 0, shared).copyInPlace(keys(all, call.shared));
            blocks.values().narrow(2, 0, shared).copyInPlace(values(all, call.shared));
        }
        blocks.keys().narrow(2, shared, call.own.tokens).copyInPlace(keys(all, call.own));
        blocks.values().narrow(2, shared, call.own.tokens).copyInPlace(values(all, call.own));
    }

    /**
     * Attends.
     *
     * @param queryKeyValue [tokens, columns], rotated
     * @param attended [tokens, heads * headDim], set
     */
    void forward(Tensor queryKeyValue, Tensor attended) {
        each((call, blocks) -> {
            read(call, queryKeyValue, blocks);
            blocks.forward();
            blocks.attended().write(queries(attended, call.own));
        });
    }

    /**
     * Goes back.
     *
     * @param ofAttended [tokens, heads * headDim], d(loss)/d(attended)
     * @param queryKeyValue as it was
     * @param ofQueryKeyValue [tokens, columns], set
     */
    void backward(Tensor ofAttended, Tensor queryKeyValue, Tensor ofQueryKeyValue) {
        each((call, blocks) -> {
            read(call, queryKeyValue, blocks);
            blocks.attended().read(queries(ofAttended, call.own));
            blocks.backward();
            blocks.ofQueries().write(queries(ofQueryKeyValue, call.own));
            long shared = call.sharedTokens();
            keys(ofQueryKeyValue, call.own).copyInPlace(blocks.ofKeys().narrow(2, shared, call.own.tokens));
            values(ofQueryKeyValue, call.own).copyInPlace(blocks.ofValues().narrow(2, shared, call.own.tokens));
            if (call.shared != null) { // lies before, so that its own are there already
                keys(ofQueryKeyValue, call.shared).addInPlace(blocks.ofKeys().narrow(2, 0, shared));
                values(ofQueryKeyValue, call.shared)
                        .addInPlace(blocks.ofValues().narrow(2, 0, shared));
            }
        });
    }
}
