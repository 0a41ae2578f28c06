package org.finetune4j.model.architecture;

import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FeedForward;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.SelfAttention;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** StableLM's layer: blocks in turn, or side by side on one norm; the feed-forward block alone drops. */
final class StableLmLayer extends DecoderLayer {

    private final SelfAttention selfAttention;
    private final FeedForward feedForward;
    private final Norm inputNorm;
    private final @Nullable Norm postAttentionNorm;
    private final double feedForwardDropout;

    /**
     * @param parallel whether both blocks read the same
     * @param feedForwardDropout share of the feed-forward block's output dropped in training
     */
    StableLmLayer(
            Weights weights,
            long hidden,
            Norm.Factory norms,
            SelfAttention selfAttention,
            FeedForward feedForward,
            boolean parallel,
            double feedForwardDropout) {
        // In the order of transformers, which decides into which file a parameter is saved.
        this.selfAttention = child("self_attn", selfAttention);
        this.feedForward = child("mlp", feedForward);
        this.inputNorm = child("input_layernorm", norms.create(weights.at("input_layernorm"), hidden));
        this.postAttentionNorm = parallel
                ? null
                : child("post_attention_layernorm", norms.create(weights.at("post_attention_layernorm"), hidden));
        this.feedForwardDropout = feedForwardDropout;
    }

    @Override
    public Attention attention() {
        return selfAttention.attention();
    }

    @Override
    public Tensor forward(Tensor hiddenStates, SequenceContext context) {
        Tensor normalised = inputNorm.forward(hiddenStates, context);
        Tensor attended = join(Block.ATTENTION, hiddenStates, selfAttention.forward(normalised, context), context);
        Norm second = postAttentionNorm;
        Tensor input = second == null ? normalised : second.forward(attended, context);
        Tensor output = context.dropout().apply(feedForward.forward(input, context), feedForwardDropout);
        return join(Block.FEED_FORWARD, attended, output, context);
    }
}
