package org.finetune4j.model.architecture;

import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FeedForward;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.RmsNorm;
import org.finetune4j.nn.SelfAttention;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;

/** The layer of Gemma 2 and 3: each block's input is normalised and its output too, before it joins the stream. */
final class GemmaLayer extends DecoderLayer {

    private final Norm inputNorm;
    private final SelfAttention selfAttention;
    private final Norm postAttentionNorm;
    private final Norm preFeedForwardNorm;
    private final FeedForward feedForward;
    private final Norm postFeedForwardNorm;

    GemmaLayer(Weights weights, DecoderShape shape, SelfAttention selfAttention) {
        // In the order of transformers, which decides into which file a parameter is saved.
        this.selfAttention = child("self_attn", selfAttention);
        this.feedForward = child("mlp", shape.gatedFeedForward(weights.at("mlp"), false));
        this.inputNorm = norm(weights, shape, "input_layernorm");
        this.postAttentionNorm = norm(weights, shape, "post_attention_layernorm");
        this.preFeedForwardNorm = norm(weights, shape, "pre_feedforward_layernorm");
        this.postFeedForwardNorm = norm(weights, shape, "post_feedforward_layernorm");
    }

    private Norm norm(Weights weights, DecoderShape shape, String name) {
        return child(name, RmsNorm.onePlusFactory(shape.epsilon()).create(weights.at(name), shape.hidden()));
    }

    /** A cap on scores: null means none, the default applies where the key is missing altogether. */
    static double softCap(ModelConfig config, String key, double fallback) {
        return config.node(key).isNull() ? 0 : config.number(key, fallback);
    }

    @Override
    public Attention attention() {
        return selfAttention.attention();
    }

    @Override
    public Tensor forward(Tensor hiddenStates, SequenceContext context) {
        Tensor attention = selfAttention.forward(inputNorm.forward(hiddenStates, context), context);
        Tensor attended = join(Block.ATTENTION, hiddenStates, postAttentionNorm.forward(attention, context), context);
        Tensor output = feedForward.forward(preFeedForwardNorm.forward(attended, context), context);
        return join(Block.FEED_FORWARD, attended, postFeedForwardNorm.forward(output, context), context);
    }
}
