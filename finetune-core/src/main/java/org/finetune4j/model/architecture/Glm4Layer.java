package org.finetune4j.model.architecture;

import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FeedForward;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.SelfAttention;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;

/** The layer of GLM-4 0414: each block's input is normalised and its output too, before it joins the stream. */
final class Glm4Layer extends DecoderLayer {

    private final SelfAttention selfAttention;
    private final FeedForward feedForward;
    private final Norm inputNorm;
    private final Norm preFeedForwardNorm;
    private final Norm postAttentionNorm;
    private final Norm postFeedForwardNorm;

    Glm4Layer(Weights weights, DecoderShape shape, SelfAttention selfAttention, FeedForward feedForward) {
        // In the order of transformers, which decides into which file a parameter is saved.
        this.selfAttention = child("self_attn", selfAttention);
        this.feedForward = child("mlp", feedForward);
        this.inputNorm = norm(weights, shape, "input_layernorm");
        this.preFeedForwardNorm = norm(weights, shape, "post_attention_layernorm");
        this.postAttentionNorm = norm(weights, shape, "post_self_attn_layernorm");
        this.postFeedForwardNorm = norm(weights, shape, "post_mlp_layernorm");
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
        Tensor attention = selfAttention.forward(inputNorm.forward(hiddenStates, context), context);
        Tensor attended = join(Block.ATTENTION, hiddenStates, postAttentionNorm.forward(attention, context), context);
        Tensor output = feedForward.forward(preFeedForwardNorm.forward(attended, context), context);
        return join(Block.FEED_FORWARD, attended, postFeedForwardNorm.forward(output, context), context);
    }
}
