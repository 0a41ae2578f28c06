package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
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

/**
 * OLMo 2 (OLMo team 2024): Llama whose blocks read the stream as it is and whose outputs are normalised before they join
 * it; queries and keys are normalised over all heads at once.
 */
public final class Olmo2ForCausalLM extends RotaryDecoder {

    private Olmo2ForCausalLM(ModelConfig config, DecoderShape shape, Weights weights) {
        super(
                config,
                shape,
                weights,
                LayerTypes.full(shape.layers()),
                shape.rotary(config),
                shape.rmsNorm(),
                (at, index, kind) -> new Layer(config, shape, at, index));
    }

    private static final class Layer extends DecoderLayer {

        private final SelfAttention selfAttention;
        private final FeedForward feedForward;
        private final Norm postAttentionNorm;
        private final Norm postFeedForwardNorm;

        Layer(ModelConfig config, DecoderShape shape, Weights weights, int index) {
            boolean bias = config.flag("attention_bias", false);
            Style style = new Style(bias, bias, shape.rmsNorm(), true);
            this.selfAttention =
                    child("self_attn", shape.selfAttention(weights.at("self_attn"), AttentionKind.FULL, style, index));
            this.feedForward = child("mlp", shape.gatedFeedForward(weights.at("mlp"), false));
            this.postAttentionNorm = child(
                    "post_attention_layernorm",
                    shape.rmsNorm().create(weights.at("post_attention_layernorm"), shape.hidden()));
            this.postFeedForwardNorm = child(
                    "post_feedforward_layernorm",
                    shape.rmsNorm().create(weights.at("post_feedforward_layernorm"), shape.hidden()));
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

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("Olmo2ForCausalLM", "Olmo2ForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("rms_norm_eps", 1e-5, "pad_token_id", 1));
            return new Olmo2ForCausalLM(complete, DecoderShape.of(complete), weights);
        }
    }
}
