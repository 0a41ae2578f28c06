package org.finetune4j.model.fused;

import org.finetune4j.nn.AttentionView;
import org.finetune4j.nn.RmsNorm;
import org.finetune4j.nn.Rotation;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Arena;
import org.finetune4j.tensor.OutVariants;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/**
 * One batch's way through a layer. Kept are the input, what attention reads and gives, the stream between the blocks and the two
 * inner projections; norms, the turned queries where they were normalised, and the gated product are calculated again.
 */
final class FusedPass implements AutoCloseable {

    private final LayerShape shape;
    private final SequenceContext context;
    private final Arena arena;
    private final Arena.Region kept;
    private final long batch;
    private final long seq;
    private final Tensor x; // [tokens, hidden]
    private final Tensor inputScale; // [tokens, 1]
    private final Tensor queryKeyValue; // [tokens, columns], turned unless queries are normalised first
    private final Tensor attended; // [tokens, heads * headDim]
    private final Tensor stream; // [tokens, hidden], between the blocks
    private final Tensor streamScale; // [tokens, 1]
    private final Tensor gateUp; // [tokens, 2 * inner]
    private final @Nullable Tensor headScales; // [tokens, heads + kvHeads, 1], of normalised queries and keys
    private final @Nullable Tensor lowIn;
    private final @Nullable Tensor lowOut;
    private final @Nullable Tensor lowGateUp;
    private final @Nullable Tensor lowDown;

    FusedPass(LayerShape shape, SequenceContext context, Arena arena, Tensor input) {
        this.shape = shape;
        this.context = context;
        this.arena = arena;
        this.batch = input.size(0);
        this.seq = input.size(1);
        this.x = input.detach().reshape(batch * seq, -1).unscoped();
        this.kept = arena.open();
        long tokens = batch * seq;
        this.inputScale = kept.take(tokens, 1);
        this.queryKeyValue = kept.take(tokens, formula().columns());
        this.attended = kept.take(tokens, queryColumns());
        this.stream = kept.take(tokens, x.size(1));
        this.streamScale = kept.take(tokens, 1);
        this.gateUp = kept.take(tokens, shape.gateUp().outFeatures());
        this.headScales = shape.queryNorm() == null ? null : kept.take(tokens, heads(), 1);
        this.lowIn = low(shape.queryKeyValue());
        this.lowOut = low(shape.output());
        this.lowGateUp = low(shape.gateUp());
        this.lowDown = low(shape.down());
    }

    private @Nullable Tensor low(Projections projections) {
        long rank = projections.rank(context.dropout());
        return rank == 0 ? null : kept.takeNarrow(batch * seq, rank);
    }

    private AttentionView view() {
        return context.view(shape.attention().kind());
    }

    private AttentionFormula formula() {
        return new AttentionFormula(shape.attention(), view(), batch, seq, arena);
    }

    private long queryColumns() {
        return (long) shape.attention().heads() * shape.attention().headDim();
    }

    /** Heads that are turned: those of queries and keys, beside each other. */
    private long heads() {
        return (long) shape.attention().heads() + shape.attention().kvHeads();
    }

    private long inner() {
        return gateUp.size(1) / 2;
    }

    /** {@return [batch, seq, hidden], which belongs to the scope} */
    Tensor forward() {
        attentionBlock();
        Tensor output = stream.copy();
        try (Arena.Region region = arena.open()) {
            Tensor normalised = region.take(stream.shape());
            RmsFormula.scales(shape.postAttentionNorm(), stream, streamScale);
            RmsFormula.apply(shape.postAttentionNorm(), stream, streamScale, normalised);
            shape.gateUp().forward(normalised, gateUp, 0, lowGateUp, context, arena);
        }
        try (Arena.Region region = arena.open()) {
            Tensor gated = region.take(batch * seq, inner());
            OutVariants.silu(gated, gateUp.narrow(1, 0, inner()));
            gated.mulInPlace(gateUp.narrow(1, inner(), inner()));
            join(shape.down(), gated, output, lowDown);
        }
        return output.view(batch, seq, -1);
    }

    private void attentionBlock() {
        try (TensorScope scope = TensorScope.open();
                Arena.Region region = arena.open()) {
            Tensor normalised = region.take(x.shape());
            RmsFormula.scales(shape.inputNorm(), x, inputScale);
            RmsFormula.apply(shape.inputNorm(), x, inputScale, normalised);
            shape.queryKeyValue().forward(normalised, queryKeyValue, 0, lowIn, context, arena);
            Tensor turned = turned(region, true);
            formula().forward(turned, attended);
            stream.copyInPlace(x);
            join(shape.output(), attended, stream, lowOut);
        }
    }

    /** Adds a block's output to the stream, times the layer's factor. */
    private void join(Projections block, Tensor input, Tensor joined, @Nullable Tensor low) {
        if (shape.residualScale() == 1) {
            block.forward(input, joined, 1, low, context, arena);
            return;
        }
        try (Arena.Region region = arena.open()) {
            Tensor output = region.take(joined.shape());
            block.forward(input, output, 0, low, context, arena);
            joined.addScaledInPlace(output, shape.residualScale());
        }
    }

    /** Queries and keys of a matrix of all tokens, by heads: [batch, seq, heads, headDim]. */
    private Tensor byHeads(Tensor matrix) {
        long dim = shape.attention().headDim();
        return matrix.narrow(1, 0, heads() * dim).view(batch, seq, heads(), dim);
    }

    /** What attention reads. Without norms of heads it is turned where it lies, once. */
    private Tensor turned(Arena.Region region, boolean first) {
        Tensor scales = headScales;
        Tensor turned = queryKeyValue;
        if (scales != null) {
            turned = region.take(queryKeyValue.shape()).copyInPlace(queryKeyValue);
            if (first) {
                eachHeadNorm((norm, from, count) ->
                        RmsFormula.scales(norm, byToken(queryKeyValue, from, count), scales.narrow(1, from, count)));
            }
            Tensor normalised = turned;
            eachHeadNorm((norm, from, count) -> RmsFormula.apply(
                    norm,
                    byToken(queryKeyValue, from, count),
                    scales.narrow(1, from, count),
                    byToken(normalised, from, count)));
        }
        Rotation rotation = shape.attention().rotation(context);
        if (rotation != null && (first || scales != null)) {
            RotationFormula.turn(rotation, byHeads(turned), false, arena);
        }
        return turned;
    }

    /** Heads of a matrix of all tokens: [tokens, count, headDim]. */
    private Tensor byToken(Tensor matrix, long from, long count) {
        long dim = shape.attention().headDim();
        return matrix.narrow(1, from * dim, count * dim).view(batch * seq, count, dim);
    }

    private interface HeadNorm {
        void on(RmsNorm norm, long from, long count);
    }

    private void eachHeadNorm(HeadNorm work) {
        if (shape.queryNorm() != null && shape.keyNorm() != null) {
            work.on(shape.queryNorm(), 0, shape.attention().heads());
            work.on(
                    shape.keyNorm(),
                    shape.attention().heads(),
                    shape.attention().kvHeads());
        }
    }

    /**
     * Goes back.
     *
     * @param gradient [batch, seq, hidden], d(loss)/d(output)
     * @param ofInput whether the input's gradient is wanted
     * @return [batch, seq, hidden], d(loss)/d(input) where it is wanted; belongs to the scope
     */
    Tensor backward(Tensor gradient, boolean ofInput) {
        Tensor arrived =
                gradient.detach().reshape(batch * seq, -1).copy(); // becomes d(loss)/d(stream), then d(loss)/dx
        feedForwardBackward(arrived);
        attentionBackward(arrived, ofInput);
        return arrived.view(batch, seq, -1);
    }

    private void feedForwardBackward(Tensor arrived) {
        try (TensorScope scope = TensorScope.open();
                Arena.Region region = arena.open()) {
            Tensor gate = gateUp.narrow(1, 0, inner());
            Tensor up = gateUp.narrow(1, inner(), inner());
            Tensor activated = region.take(batch * seq, inner());
            Tensor gated = region.take(batch * seq, inner());
            Tensor ofGated = region.take(batch * seq, inner());
            OutVariants.silu(activated, gate);
            OutVariants.mul(gated, activated, up);
            shape.down().backward(arrived, shape.residualScale(), gated, lowDown, ofGated, context, arena);
            // In place of the two projections, which nothing needs any more, their gradients.
            up.mulInPlace(ofGated);
            OutVariants.siluBackward(gate, up, gate);
            OutVariants.mul(up, ofGated, activated);
            Tensor normalised = region.take(stream.shape());
            Tensor ofNormalised = region.take(stream.shape());
            RmsFormula.apply(shape.postAttentionNorm(), stream, streamScale, normalised);
            shape.gateUp().backward(gateUp, 1, normalised, lowGateUp, ofNormalised, context, arena);
            RmsFormula.backward(
                    shape.postAttentionNorm(), stream, streamScale, normalised, ofNormalised, arrived, arena);
        }
    }

    private void attentionBackward(Tensor arrived, boolean ofInput) {
        boolean wanted = ofInput || shape.inputNorm().weight().isTrainable();
        try (TensorScope scope = TensorScope.open();
                Arena.Region region = arena.open()) {
            Tensor ofAttended = region.take(attended.shape());
            shape.output().backward(arrived, shape.residualScale(), attended, lowOut, ofAttended, context, arena);
            Tensor ofQueryKeyValue = region.take(queryKeyValue.shape());
            formula().backward(ofAttended, turned(region, false), ofQueryKeyValue);
            Rotation rotation = shape.attention().rotation(context);
            if (rotation != null) {
                RotationFormula.turn(rotation, byHeads(ofQueryKeyValue), true, arena);
            }
            if (headScales != null) {
                headNormsBackward(headScales, ofQueryKeyValue, region);
            }
            Tensor normalised = region.take(x.shape());
            Tensor ofNormalised = wanted ? region.take(x.shape()) : null;
            RmsFormula.apply(shape.inputNorm(), x, inputScale, normalised);
            shape.queryKeyValue().backward(ofQueryKeyValue, 1, normalised, lowIn, ofNormalised, context, arena);
            if (ofNormalised != null) {
                RmsFormula.backward(shape.inputNorm(), x, inputScale, normalised, ofNormalised, arrived, arena);
            }
        }
    }

    private void headNormsBackward(Tensor scales, Tensor all, Arena.Region region) {
        Tensor ofProjected = region.take(all.shape()).zeroInPlace();
        Tensor normalised = region.take(all.shape());
        eachHeadNorm((norm, from, count) -> {
            Tensor own = byToken(queryKeyValue, from, count);
            Tensor scale = scales.narrow(1, from, count);
            Tensor y = byToken(normalised, from, count);
            RmsFormula.apply(norm, own, scale, y);
            RmsFormula.backward(
                    norm, own, scale, y, byToken(all, from, count), byToken(ofProjected, from, count), arena);
        });
        long columns = heads() * shape.attention().headDim();
        all.narrow(1, 0, columns).copyInPlace(ofProjected.narrow(1, 0, columns));
    }

    @Override
    public void close() {
        kept.close();
        x.close();
    }
}
