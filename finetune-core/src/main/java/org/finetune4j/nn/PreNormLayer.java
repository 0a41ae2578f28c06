package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/** Llama's layer: attention, then a feed-forward block, each on normalised input and joined to the stream. */
public final class PreNormLayer extends DecoderLayer {

    /**
     * What the norms and the attention block are called in the checkpoint.
     *
     * @param attention the attention block
     * @param beforeAttention the one before the attention block
     * @param beforeFeedForward the one before the feed-forward block
     */
    public record Names(String attention, String beforeAttention, String beforeFeedForward) {

        /** {@code self_attn}, {@code input_layernorm}, {@code post_attention_layernorm}. */
        public static final Names USUAL = new Names("self_attn", "input_layernorm", "post_attention_layernorm");
    }

    private final Norm inputNorm;
    private final SelfAttention selfAttention;
    private final Norm postAttentionNorm;
    private final FeedForward feedForward;
    private final double residualDropout;
    private final double residualScale;

    /**
     * Reads {@code input_layernorm} and {@code post_attention_layernorm}; the attention block is {@code self_attn}.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param norms makes the two norms
     * @param selfAttention the attention block
     * @param feedForwardName what the checkpoint calls the feed-forward block, usually {@code mlp}
     * @param feedForward makes the feed-forward block
     * @param residualDropout share of a block's output dropped in training
     */
    public PreNormLayer(
            Weights weights,
            long hidden,
            Norm.Factory norms,
            SelfAttention selfAttention,
            String feedForwardName,
            FeedForward feedForward,
            double residualDropout) {
        this(weights, hidden, norms, selfAttention, feedForwardName, feedForward, residualDropout, 1);
    }

    /**
     * The same for a model that multiplies what blocks give before it joins the stream.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param norms makes the two norms
     * @param selfAttention the attention block
     * @param feedForwardName what the checkpoint calls the feed-forward block, usually {@code mlp}
     * @param feedForward makes the feed-forward block
     * @param residualDropout share of a block's output dropped in training
     * @param residualScale factor of a block's output
     */
    public PreNormLayer(
            Weights weights,
            long hidden,
            Norm.Factory norms,
            SelfAttention selfAttention,
            String feedForwardName,
            FeedForward feedForward,
            double residualDropout,
            double residualScale) {
        this(
                weights,
                Names.USUAL,
                hidden,
                norms,
                selfAttention,
                feedForwardName,
                feedForward,
                residualDropout,
                residualScale);
    }

    /**
     * The same where the norms or the attention block have other names.
     *
     * @param weights where the parameters come from, below this module's name
     * @param names of the norms and the attention block
     * @param hidden size of the hidden states
     * @param norms makes the two norms
     * @param selfAttention the attention block
     * @param feedForwardName what the checkpoint calls the feed-forward block, usually {@code mlp}
     * @param feedForward makes the feed-forward block
     * @param residualDropout share of a block's output dropped in training
     * @param residualScale factor of a block's output
     */
    public PreNormLayer(
            Weights weights,
            Names names,
            long hidden,
            Norm.Factory norms,
            SelfAttention selfAttention,
            String feedForwardName,
            FeedForward feedForward,
            double residualDropout,
            double residualScale) {
        // In the order of transformers, which decides into which file a parameter is saved.
        this.selfAttention = child(names.attention, selfAttention);
        this.feedForward = child(feedForwardName, feedForward);
        this.inputNorm = norm(names.beforeAttention, weights, norms, hidden);
        this.postAttentionNorm = norm(names.beforeFeedForward, weights, norms, hidden);
        this.residualDropout = residualDropout;
        this.residualScale = residualScale;
    }

    private Norm norm(String name, Weights weights, Norm.Factory norms, long hidden) {
        return child(name, norms.create(weights.at(name), hidden));
    }

    /** {@return the norm before the attention block} */
    public Norm inputNorm() {
        return inputNorm;
    }

    /** {@return the attention block} */
    public SelfAttention selfAttention() {
        return selfAttention;
    }

    /** {@return the norm before the feed-forward block} */
    public Norm postAttentionNorm() {
        return postAttentionNorm;
    }

    /** {@return the feed-forward block} */
    public FeedForward feedForward() {
        return feedForward;
    }

    /** {@return the share of a block's output that is dropped in training} */
    public double residualDropout() {
        return residualDropout;
    }

    /** {@return what a block's output is multiplied by before it joins the stream, usually 1} */
    public double residualScale() {
        return residualScale;
    }

    @Override
    public Attention attention() {
        return selfAttention.attention();
    }

    @Override
    public Tensor forward(Tensor hiddenStates, SequenceContext context) {
        Tensor attention = selfAttention.forward(inputNorm.forward(hiddenStates, context), context);
        Tensor attended = join(Block.ATTENTION, hiddenStates, joining(attention, context), context);
        Tensor output = feedForward.forward(postAttentionNorm.forward(attended, context), context);
        return join(Block.FEED_FORWARD, attended, joining(output, context), context);
    }

    private Tensor joining(Tensor output, SequenceContext context) {
        Tensor kept = context.dropout().apply(output, residualDropout);
        return residualScale == 1 ? kept : kept.mul(residualScale);
    }
}
