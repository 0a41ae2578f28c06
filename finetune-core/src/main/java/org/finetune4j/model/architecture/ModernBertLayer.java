package org.finetune4j.model.architecture;

import org.finetune4j.nn.Attention;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FusedGatedFeedForward;
import org.finetune4j.nn.FusedRotaryAttention;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Attention, then a gated feed-forward block, each on normalised input; the first layer's attention reads the embedding, which is
 * normalised already.
 */
final class ModernBertLayer extends DecoderLayer {

    private final @Nullable Norm attentionNorm;
    private final FusedRotaryAttention selfAttention;
    private final Norm feedForwardNorm;
    private final FusedGatedFeedForward feedForward;

    ModernBertLayer(ModernBertShape shape, Weights weights, int index, AttentionKind kind) {
        this.attentionNorm =
                index == 0 ? null : child("attn_norm", shape.norms().create(weights.at("attn_norm"), shape.hidden()));
        this.selfAttention = child(
                "attn",
                new FusedRotaryAttention(
                        weights.at("attn"),
                        new FusedRotaryAttention.Names("Wqkv", "Wo"),
                        FusedRotaryAttention.Layout.STACKED,
                        shape.hidden(),
                        shape.attention().withKind(kind),
                        shape.attentionBias(),
                        index,
                        shape.initialization()));
        this.feedForwardNorm = child("mlp_norm", shape.norms().create(weights.at("mlp_norm"), shape.hidden()));
        this.feedForward = child(
                "mlp",
                new FusedGatedFeedForward(
                        weights.at("mlp"),
                        new FusedGatedFeedForward.Names("Wi", "Wo"),
                        shape.hidden(),
                        shape.inner(),
                        shape.feedForwardBias(),
                        shape.activation(),
                        shape.feedForwardDropout(),
                        shape.initialization()));
    }

    @Override
    public Attention attention() {
        return selfAttention.attention();
    }

    @Override
    public Tensor forward(Tensor hiddenStates, SequenceContext context) {
        Tensor input = attentionNorm == null ? hiddenStates : attentionNorm.forward(hiddenStates, context);
        Tensor attention = context.dropout()
                .apply(selfAttention.forward(input, context), attention().dropout());
        Tensor attended = join(Block.ATTENTION, hiddenStates, attention, context);
        Tensor output = feedForward.forward(feedForwardNorm.forward(attended, context), context);
        return join(Block.FEED_FORWARD, attended, output, context);
    }
}
