package org.finetune4j.model.architecture;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.GatedFeedForward;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.RmsNorm;
import org.finetune4j.nn.RotaryAttention;
import org.finetune4j.nn.RotaryFrequencies;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/** Llama 1 to 3 (Touvron et al. 2023, Grattafiori et al. 2024) and the many models of its shape. */
public final class LlamaForCausalLM extends DecoderModel {

    private final Embedding embedding;
    private final List<Layer> layers = new ArrayList<>();
    private final RmsNorm norm;
    private final Linear head;
    private final RotaryFrequencies rotary;
    private final int maxPositions;

    private LlamaForCausalLM(Shape shape, Weights weights) {
        this.embedding = child(
                "model.embed_tokens",
                new Embedding(weights.at("model.embed_tokens"), shape.vocabulary, shape.hidden, shape.initialization));
        for (int i = 0; i < shape.layers; i++) {
            layers.add(child("model.layers." + i, new Layer(shape, weights.at("model.layers", i), i)));
        }
        this.norm = child("model.norm", new RmsNorm(weights.at("model.norm"), shape.hidden, shape.epsilon));
        this.head = child(
                "lm_head",
                shape.tied
                        ? Linear.tied(embedding.weight())
                        : Linear.of(
                                weights.at("lm_head"), shape.hidden, shape.vocabulary, false, shape.initialization));
        this.rotary = shape.rotary;
        this.maxPositions = shape.maxPositions;
    }

    @Override
    public Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType) {
        return tokenEmbeddings(inputIds, context, computeDType);
    }

    @Override
    public List<Layer> layers() {
        return layers;
    }

    @Override
    public Tensor finalNorm(Tensor hiddenStates) {
        return norm.forward(hiddenStates);
    }

    @Override
    public Embedding inputEmbedding() {
        return embedding;
    }

    @Override
    public Linear outputLayer() {
        return head;
    }

    @Override
    public RotaryFrequencies rotaryFrequencies() {
        return rotary;
    }

    @Override
    public int maxPositions() {
        return maxPositions;
    }

    /** Attention, then a gated feed-forward block, each on normalised input and added to the stream. */
    static final class Layer extends DecoderLayer {

        private final RmsNorm inputNorm;
        private final RotaryAttention selfAttention;
        private final RmsNorm postAttentionNorm;
        private final GatedFeedForward feedForward;

        Layer(Shape shape, Weights weights, int index) {
            this.inputNorm =
                    child("input_layernorm", new RmsNorm(weights.at("input_layernorm"), shape.hidden, shape.epsilon));
            this.selfAttention = child(
                    "self_attn",
                    new RotaryAttention(
                            weights.at("self_attn"),
                            shape.hidden,
                            shape.attention,
                            shape.attentionBias,
                            index,
                            shape.initialization));
            this.postAttentionNorm = child(
                    "post_attention_layernorm",
                    new RmsNorm(weights.at("post_attention_layernorm"), shape.hidden, shape.epsilon));
            this.feedForward = child(
                    "mlp",
                    new GatedFeedForward(
                            weights.at("mlp"),
                            shape.hidden,
                            shape.intermediate,
                            shape.feedForwardBias,
                            shape.activation,
                            shape.initialization));
        }

        @Override
        public Tensor forward(Tensor hiddenStates, SequenceContext context) {
            Tensor attention = selfAttention.forward(inputNorm.forward(hiddenStates), context);
            Tensor attended = join(Block.ATTENTION, hiddenStates, attention);
            return join(Block.FEED_FORWARD, attended, feedForward.forward(postAttentionNorm.forward(attended)));
        }
    }

    /** What the configuration says, checked. */
    private record Shape(
            int vocabulary,
            int hidden,
            int intermediate,
            int layers,
            Attention attention,
            boolean attentionBias,
            boolean feedForwardBias,
            Activation activation,
            double epsilon,
            boolean tied,
            int maxPositions,
            RotaryFrequencies rotary,
            Initialization initialization) {

        static Shape of(ModelConfig config) {
            config.refuse(Set.of("sliding_window", "quantization_config"));
            int hidden = config.positive("hidden_size");
            int heads = config.positive("num_attention_heads");
            int kvHeads = config.positive("num_key_value_heads", heads);
            if (heads % kvHeads != 0) {
                throw config.invalid("num_key_value_heads", "a divisor of num_attention_heads " + heads);
            }
            if (!config.has("head_dim") && hidden % heads != 0) {
                throw config.invalid("hidden_size", "a multiple of num_attention_heads " + heads);
            }
            int headDim = config.positive("head_dim", hidden / heads);
            return new Shape(
                    config.positive("vocab_size"),
                    hidden,
                    config.positive("intermediate_size"),
                    config.positive("num_hidden_layers"),
                    new Attention(
                            heads, kvHeads, headDim, 1 / Math.sqrt(headDim), config.number("attention_dropout", 0)),
                    config.flag("attention_bias", false),
                    config.flag("mlp_bias", false),
                    Activation.named(config.text("hidden_act", "silu")),
                    config.number("rms_norm_eps", 1e-6),
                    config.flag("tie_word_embeddings", false),
                    config.positive("max_position_embeddings", 2048),
                    RotaryConfig.frequencies(config, headDim),
                    new Initialization.Normal(config.number("initializer_range", 0.02)));
        }
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public String name() {
            return "LlamaForCausalLM";
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            return new LlamaForCausalLM(Shape.of(config), weights);
        }
    }
}
