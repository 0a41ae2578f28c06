package org.finetune4j.model.fused;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.AttentionView;
import org.finetune4j.nn.SequenceRun;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.FlashAttention;
import org.finetune4j.tensor.OutVariants;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Attention by libtorch's fused kernels, in calls whose keys and values need not be repeated for the query heads that share
 * them: the heads of a group lie in a dimension in which the keys do not move.
 *
 * @param attention heads and scale
 * @param view what is seen
 * @param batch rows
 * @param seq tokens of a row
 */
record AttentionFormula(Attention attention, AttentionView view, long batch, long seq) {

    /** What one call reads and writes, as [some, heads, tokens, headDim]. */
    private record Call(
            Span queries, @Nullable Span shared, @Nullable Tensor mask, boolean causal) {}

    /**
     * A part of the rows and heads.
     *
     * @param row first row, of a batch that may be seen as one row
     * @param rows how many; more than one only where {@code kvHeads} is 1
     * @param token first token of the row
     * @param tokens how many
     * @param kvHead first head of keys
     * @param kvHeads how many
     */
    private record Span(long row, long rows, long token, long tokens, long kvHead, long kvHeads) {}

    /** Query heads that share a head of keys and values. */
    private long group() {
        return attention.heads() / attention.kvHeads();
    }

    private List<Call> calls() {
        List<Call> calls = new ArrayList<>();
        List<SequenceRun> runs = view.runs();
        if (runs != null) {
            long start = 0;
            List<Long> starts = new ArrayList<>();
            for (SequenceRun run : runs) {
                starts.add(start);
                Span own = new Span(0, 1, start, run.length(), 0, attention.kvHeads());
                Span shared = run.sharedLength() == 0
                        ? null
                        : new Span(0, 1, starts.get(run.shared()), run.sharedLength(), 0, attention.kvHeads());
                calls.add(new Call(own, shared, additive(run.mask()), true));
                start += run.length();
            }
            return calls;
        }
        Tensor mask = additive(view.mask());
        boolean causal = view.causal() && seq > 1;
        if (group() == 1) {
            calls.add(new Call(new Span(0, batch, 0, seq, 0, attention.kvHeads()), null, mask, causal));
        } else if (batch <= attention.kvHeads()) {
            for (long row = 0; row < batch; row++) {
                Tensor own = mask == null || mask.size(0) == 1 ? mask : mask.narrow(0, row, 1);
                calls.add(new Call(new Span(row, 1, 0, seq, 0, attention.kvHeads()), null, own, causal));
            }
        } else {
            for (long head = 0; head < attention.kvHeads(); head++) {
                calls.add(new Call(new Span(0, batch, 0, seq, head, 1), null, mask, causal));
            }
        }
        return calls;
    }

    /** 0 where a token is seen, minus infinity where it is not: [..., queries, keys] of four dimensions. */
    private static @Nullable Tensor additive(@Nullable Tensor mask) {
        if (mask == null) {
            return null;
        }
        Tensor added = Tensors.zeros(DType.FLOAT32, mask.device(), mask.shape());
        added.maskedFillInPlace(mask.logicalNot(), Double.NEGATIVE_INFINITY);
        Tensor whole = added;
        while (whole.dim() < 4) {
            whole = whole.unsqueeze(0);
        }
        return whole;
    }

    /** Columns of queries, keys and values beside each other. */
    long columns() {
        return (attention.heads() + 2L * attention.kvHeads()) * attention.headDim();
    }

    /**
     * Some columns of a matrix of all tokens, by query heads: [batch or kvHeads, heads, tokens, headDim].
     *
     * @param matrix [batch * seq, columns]
     * @param start first of the columns
     * @param perKvHead how many heads belong to each head of keys
     */
    private Tensor heads(Tensor matrix, long start, long perKvHead, Span span) {
        long dim = attention.headDim();
        long width = perKvHead * dim;
        Tensor columns = matrix.narrow(1, start + span.kvHead * width, span.kvHeads * width);
        if (view.runs() != null || (group() > 1 && span.rows == 1)) {
            return columns.narrow(0, span.row * seq + span.token, span.tokens) // [tokens, columns]
                    .view(span.tokens, span.kvHeads, perKvHead, dim)
                    .permute(1, 2, 0, 3); // [kvHeads, perKvHead, tokens, headDim]
        }
        return columns.view(batch, seq, span.kvHeads * perKvHead, dim).transpose(1, 2); // [batch, heads, seq, headDim]
    }

    private Tensor queries(Tensor all, Span span) {
        return heads(all, 0, group(), span);
    }

    private Tensor keys(Tensor all, Span span) {
        return heads(all, (long) attention.heads() * attention.headDim(), 1, span);
    }

    private Tensor values(Tensor all, Span span) {
        return heads(all, ((long) attention.heads() + attention.kvHeads()) * attention.headDim(), 1, span);
    }

    /** As many heads as queries have, at the same places. */
    private Tensor repeated(Tensor keys) {
        return group() == 1 || keys.size(1) != 1
                ? keys
                : keys.expand(keys.size(0), group(), keys.size(2), keys.size(3));
    }

    private static Tensor seen(Tensor own, @Nullable Tensor shared) {
        return shared == null ? own : Tensors.cat(List.of(shared, own), 2);
    }

    private Tensor seenKeys(Tensor all, Call call) {
        return repeated(seen(keys(all, call.queries), call.shared == null ? null : keys(all, call.shared)));
    }

    private Tensor seenValues(Tensor all, Call call) {
        return repeated(seen(values(all, call.queries), call.shared == null ? null : values(all, call.shared)));
    }

    /**
     * Attends.
     *
     * @param queryKeyValue [tokens, columns], rotated
     * @param attended [tokens, heads * headDim], set
     * @return for every call the logarithms that going back needs; they belong to the scope
     */
    List<Tensor> forward(Tensor queryKeyValue, Tensor attended) {
        List<Tensor> logSumExps = new ArrayList<>();
        for (Call call : calls()) {
            FlashAttention.Output output = FlashAttention.forward(
                    queries(queryKeyValue, call.queries),
                    seenKeys(queryKeyValue, call),
                    seenValues(queryKeyValue, call),
                    call.mask,
                    call.causal,
                    attention.scale());
            heads(attended, 0, group(), call.queries).copyInPlace(output.output());
            output.output().close();
            logSumExps.add(output.logSumExp());
        }
        return logSumExps;
    }

    /**
     * Goes back.
     *
     * @param ofAttended [tokens, heads * headDim], d(loss)/d(attended)
     * @param queryKeyValue as it was
     * @param attended as it was
     * @param logSumExps as {@link #forward} gave them
     * @param ofQueryKeyValue [tokens, columns], set
     */
    void backward(
            Tensor ofAttended, Tensor queryKeyValue, Tensor attended, List<Tensor> logSumExps, Tensor ofQueryKeyValue) {
        List<Call> calls = calls();
        boolean sums = calls.stream().anyMatch(call -> call.shared != null);
        if (sums) {
            ofQueryKeyValue.zeroInPlace();
        }
        for (int i = 0; i < calls.size(); i++) {
            Call call = calls.get(i);
            FlashAttention.Gradients gradients = FlashAttention.backward(
                    heads(ofAttended, 0, group(), call.queries),
                    queries(queryKeyValue, call.queries),
                    seenKeys(queryKeyValue, call),
                    seenValues(queryKeyValue, call),
                    new FlashAttention.Output(heads(attended, 0, group(), call.queries), logSumExps.get(i)),
                    call.mask,
                    call.causal,
                    attention.scale());
            put(queries(ofQueryKeyValue, call.queries), gradients.query(), sums);
            gradients.query().close();
            putSeen(call, true, gradients.key(), ofQueryKeyValue, sums);
            putSeen(call, false, gradients.value(), ofQueryKeyValue, sums);
        }
    }

    private void putSeen(Call call, boolean key, Tensor gradient, Tensor all, boolean sums) {
        long before = call.shared == null ? 0 : call.shared.tokens;
        Tensor own = key ? keys(all, call.queries) : values(all, call.queries);
        put(own, gradient.narrow(2, before, call.queries.tokens), sums);
        if (call.shared != null) {
            Tensor other = key ? keys(all, call.shared) : values(all, call.shared);
            put(other, gradient.narrow(2, 0, before), true);
        }
        gradient.close();
    }

    /** A gradient that was made for every query head, to where its head of keys has one. */
    private static void put(Tensor destination, Tensor gradient, boolean adds) {
        boolean summed = destination.size(1) < gradient.size(1);
        if (adds) {
            destination.addInPlace(summed ? gradient.sum(1, true) : gradient);
        } else if (summed) {
            OutVariants.sum(destination, gradient, 1, true);
        } else {
            destination.copyInPlace(gradient);
        }
    }
}
