package org.finetune4j.model.fused;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.model.SegmentMemory;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.AttentionProjections;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.DecoderLayer.Block;
import org.finetune4j.nn.DenseValue;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.FeedForwardProjections;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.LinearExtension;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.RmsNorm;
import org.finetune4j.nn.ShardedValue;
import org.finetune4j.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * What a layer consists of that the formulas hold for.
 *
 * @param inputNorm before attention
 * @param queryKeyValue whose outputs lie beside each other
 * @param queryNorm of each query head, or null
 * @param keyNorm of each key head, or null
 * @param attention between tokens
 * @param output the projection back from attention
 * @param postAttentionNorm before the feed-forward block
 * @param gateUp whose outputs lie beside each other
 * @param down the projection back
 * @param residualScale factor of what the blocks give
 */
record LayerShape(
        RmsNorm inputNorm,
        Projections queryKeyValue,
        @Nullable RmsNorm queryNorm,
        @Nullable RmsNorm keyNorm,
        Attention attention,
        Projections output,
        RmsNorm postAttentionNorm,
        Projections gateUp,
        Projections down,
        double residualScale) {

    /** The shape of a layer, or empty where it does anything else. */
    static Optional<LayerShape> of(DecoderLayer layer) {
        if (!(layer instanceof PreNormLayer whole)
                || whole.residualDropout() != 0
                || whole.extension(Block.ATTENTION) != null
                || whole.extension(Block.FEED_FORWARD) != null
                || !(whole.inputNorm() instanceof RmsNorm inputNorm)
                || !(whole.postAttentionNorm() instanceof RmsNorm postAttentionNorm)) {
            return Optional.empty();
        }
        AttentionProjections first = whole.selfAttention().projections();
        FeedForwardProjections second = whole.feedForward().projections();
        if (first == null
                || second == null
                || first.attention().softCap() != 0
                || second.activation() != Activation.SILU
                || !(first.queryNorm() == null || first.queryNorm() instanceof RmsNorm)
                || !(first.keyNorm() == null || first.keyNorm() instanceof RmsNorm)) {
            return Optional.empty();
        }
        LayerShape shape = new LayerShape(
                inputNorm,
                new Projections(first.queryKeyValue()),
                rms(first.queryNorm()),
                rms(first.keyNorm()),
                first.attention(),
                new Projections(List.of(first.output())),
                postAttentionNorm,
                new Projections(second.gateUp()),
                new Projections(List.of(second.down())),
                whole.residualScale());
        return shape.isKnown() ? Optional.of(shape) : Optional.empty();
    }

    private static @Nullable RmsNorm rms(@Nullable Norm norm) {
        return norm instanceof RmsNorm known ? known : null;
    }

    private List<Linear> linears() {
        List<Linear> all = new ArrayList<>();
        for (Projections group : List.of(queryKeyValue, output, gateUp, down)) {
            all.addAll(group.linears());
        }
        return all;
    }

    List<RmsNorm> norms() {
        List<RmsNorm> all = new ArrayList<>(List.of(inputNorm, postAttentionNorm));
        if (queryNorm != null && keyNorm != null) {
            all.add(queryNorm);
            all.add(keyNorm);
        }
        return all;
    }

    private boolean isKnown() {
        return norms().stream().noneMatch(RmsNorm::isOnePlus)
                && norms().stream().allMatch(norm -> isKnown(norm.weight()))
                && linears().stream().allMatch(LayerShape::isKnown);
    }

    static boolean isKnown(Linear linear) {
        Parameter bias = linear.bias();
        return linear.layout() == Linear.Layout.OUT_IN
                && !linear.isDivided()
                && isKnown(linear.weight())
                && (bias == null || isKnown(bias));
    }

    /** Whether the values can be read, and their gradients be added to, where a layer runs. */
    private static boolean isKnown(Parameter parameter) {
        boolean isTensor = parameter.form() instanceof DenseValue || parameter.form() instanceof ShardedValue;
        return parameter.isTrainable()
                ? isTensor && parameter.dtype() == DType.FLOAT32
                : isTensor || parameter.compressed() != null;
    }

    /** What {@link FusedPass} keeps of a token, and the most that its steps need beside that. */
    SegmentMemory memory() {
        long hidden = inputNorm.weight().numel();
        long queries = (long) attention.heads() * attention.headDim();
        long columns = queryKeyValue.outFeatures();
        long inner = gateUp.outFeatures() / 2;
        long ranks = Stream.of(queryKeyValue, output, gateUp, down)
                .mapToLong(projections -> projections.rank(Dropout.ON))
                .sum();
        long ofHeads = queryNorm == null ? 0 : (long) attention.heads() + attention.kvHeads();
        long ofAttention = 2 * columns + 3 * queries + (queryNorm == null ? 0 : columns);
        return new SegmentMemory(
                2 * hidden + queries + columns + 2 * inner + ranks + ofHeads + 2,
                (residualScale == 1 ? 3 : 4) * hidden + Math.max(3 * inner, ofAttention));
    }

    /** Whether what methods added is known, too, in a pass with this dropout. */
    boolean holdsWith(Dropout dropout) {
        return dropout.probability(attention.dropout()) == 0
                && linears().stream().allMatch(linear -> isKnown(linear.extension(), dropout));
    }

    static boolean isKnown(@Nullable LinearExtension extension, Dropout dropout) {
        return extension == null
                || (extension.lowRank(dropout) != null
                        && extension.parameters().stream().allMatch(LayerShape::isKnown));
    }
}
