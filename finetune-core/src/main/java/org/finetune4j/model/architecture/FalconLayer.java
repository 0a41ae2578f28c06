package org.finetune4j.model.architecture;

import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.FusedRotaryAttention;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.PlainFeedForward;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;

/** The layer of Falcon: one projection for queries, keys and values, blocks side by side or in turn. */
final class FalconLayer extends DecoderLayer {

    private static final PlainFeedForward.Names PROJECTIONS =
            new PlainFeedForward.Names("dense_h_to_4h", "dense_4h_to_h");

    private static final FusedRotaryAttention.Names PARTS = new FusedRotaryAttention.Names("query_key_value", "dense");

    private final FalconShape.Norms norms;
    private final FusedRotaryAttention selfAttention;
    private final PlainFeedForward feedForward;
    private final LayerNorm attentionNorm;
    private final LayerNorm feedForwardNorm;

    FalconLayer(FalconShape shape, Weights weights, int index) {
        this.norms = shape.norms();
        this.selfAttention = child(
                "self_attention",
                new FusedRotaryAttention(
                        weights.at("self_attention"),
                        PARTS,
                        shape.layout(),
                        shape.hidden(),
                        shape.attention(),
                        shape.bias(),
                        index,
                        shape.initialization()));
        this.feedForward = child(
                "mlp",
                new PlainFeedForward(
                        weights.at("mlp"),
                        PROJECTIONS,
                        shape.hidden(),
                        shape.inner(),
                        shape.bias(),
                        shape.activation(),
                        shape.initialization()));
        this.attentionNorm = norm(shape, weights, norms == FalconShape.Norms.OWN ? "ln_attn" : "input_layernorm");
        this.feedForwardNorm = switch (norms) {
            case SHARED -> attentionNorm;
            case OWN -> norm(shape, weights, "ln_mlp");
            case IN_TURN -> norm(shape, weights, "post_attention_layernorm");
        };
    }

    private LayerNorm norm(FalconShape shape, Weights weights, String name) {
        return child(name, new LayerNorm(weights.at(name), shape.hidden(), shape.epsilon()));
    }

    @Override
    public Attention attention() {
        return selfAttention.attention();
    }

    @Override
    public Tensor forward(Tensor hiddenStates, SequenceContext context) {
        Tensor normalised = attentionNorm.forward(hiddenStates, context);
        Tensor attended = join(Block.ATTENTION, hiddenStates, selfAttention.forward(normalised, context), context);
        Tensor input =
                switch (norms) {
                    case SHARED -> normalised;
                    case OWN -> feedForwardNorm.forward(hiddenStates, context);
                    case IN_TURN -> feedForwardNorm.forward(attended, context);
                };
        return join(Block.FEED_FORWARD, attended, feedForward.forward(input, context), context);
    }
}
