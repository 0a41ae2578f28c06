package org.finetune4j.model.architecture;

import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FeedForward;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.SelfAttention;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;

/** A layer whose two blocks read the same normalised stream, side by side (Wang and Komatsuzaki 2021). */
final class ParallelLayer extends DecoderLayer {

    private final SelfAttention selfAttention;
    private final FeedForward feedForward;
    private final Norm inputNorm;
    private final double residualDropout;

    /** @param residualDropout share of a block's output dropped in training */
    ParallelLayer(
            Weights weights,
            long hidden,
            Norm.Factory norms,
            SelfAttention selfAttention,
            FeedForward feedForward,
            double residualDropout) {
        // In the order of transformers, which decides into which file a parameter is saved.
        this.selfAttention = child("self_attn", selfAttention);
        this.feedForward = child("mlp", feedForward);
        this.inputNorm = child("input_layernorm", norms.create(weights.at("input_layernorm"), hidden));
        this.residualDropout = residualDropout;
    }

    @Override
    public Attention attention() {
        return selfAttention.attention();
    }

    @Override
    public Tensor forward(Tensor hiddenStates, SequenceContext context) {
        Tensor normalised = inputNorm.forward(hiddenStates, context);
        Tensor attention = context.dropout().apply(selfAttention.forward(normalised, context), residualDropout);
        Tensor attended = join(Block.ATTENTION, hiddenStates, attention, context);
        Tensor output = context.dropout().apply(feedForward.forward(normalised, context), residualDropout);
        return join(Block.FEED_FORWARD, attended, output, context);
    }
}
