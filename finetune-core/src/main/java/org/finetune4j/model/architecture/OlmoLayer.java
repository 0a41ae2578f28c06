package org.finetune4j.model.architecture;

import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FeedForward;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.RotaryAttention.Style;
import org.finetune4j.nn.SelfAttention;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;

/** The layer of OLMo 2 and 3 and of EXAONE 4: blocks read the stream as it is, and what they give is normalised before it joins. */
final class OlmoLayer extends DecoderLayer {

    private final SelfAttention selfAttention;
    private final FeedForward feedForward;
    private final Norm postAttentionNorm;
    private final Norm postFeedForwardNorm;

    OlmoLayer(ModelConfig config, DecoderShape shape, Weights weights, int index, AttentionKind kind) {
        this(shape, style(config, shape), weights, index, kind);
    }

    /** @param style of the attention block */
    OlmoLayer(DecoderShape shape, Style style, Weights weights, int index, AttentionKind kind) {
        this.selfAttention = child("self_attn", shape.selfAttention(weights.at("self_attn"), kind, style, index));
        this.feedForward = child("mlp", shape.gatedFeedForward(weights.at("mlp"), false));
        this.postAttentionNorm = norm(weights, shape, "post_attention_layernorm");
        this.postFeedForwardNorm = norm(weights, shape, "post_feedforward_layernorm");
    }

    private static Style style(ModelConfig config, DecoderShape shape) {
        boolean bias = config.flag("attention_bias", false);
        return new Style(bias, bias, shape.rmsNorm(), true);
    }

    private Norm norm(Weights weights, DecoderShape shape, String name) {
        return child(name, shape.rmsNorm().create(weights.at(name), shape.hidden()));
    }

    @Override
    public Attention attention() {
        return selfAttention.attention();
    }

    @Override
    public Tensor forward(Tensor hiddenStates, SequenceContext context) {
        Tensor attention = postAttentionNorm.forward(selfAttention.forward(hiddenStates, context), context);
        Tensor attended = join(Block.ATTENTION, hiddenStates, attention, context);
        Tensor output = postFeedForwardNorm.forward(feedForward.forward(attended, context), context);
        return join(Block.FEED_FORWARD, attended, output, context);
    }
}
