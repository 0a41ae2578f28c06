package org.finetune4j.model.architecture;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.FusedRotaryAttention;
import org.finetune4j.nn.FusedRotaryAttention.Layout;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.PlainFeedForward;
import org.finetune4j.nn.PreNormLayer;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/** SantaCoder and StarCoder 1 (Ben Allal et al. 2023, Li et al. 2023): GPT-2 with one head of keys and values for all queries. */
public final class GptBigCodeForCausalLM extends ChainedDecoder {

    private static final PreNormLayer.Names NAMES = new PreNormLayer.Names("attn", "ln_1", "ln_2");
    private static final FusedRotaryAttention.Names PARTS = new FusedRotaryAttention.Names("c_attn", "c_proj");
    private static final PlainFeedForward.Names PROJECTIONS = new PlainFeedForward.Names("c_fc", "c_proj");

    private final Chain chain;
    private final Embedding positions;
    private final Shape shape;

    private GptBigCodeForCausalLM(ModelConfig config, Shape shape, Weights weights) {
        this.shape = shape;
        Weights backbone = weights.at("transformer");
        Embedding tokens = child(
                "transformer.wte",
                new Embedding(backbone.at("wte"), shape.vocabulary, shape.hidden, shape.initialization));
        this.positions = child(
                "transformer.wpe",
                new Embedding(backbone.at("wpe"), shape.maxPositions, shape.hidden, shape.initialization));
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < shape.layers; i++) {
            layers.add(child("transformer.h." + i, layer(shape, backbone.at("h", i), i)));
        }
        LayerNorm norm = child("transformer.ln_f", new LayerNorm(backbone.at("ln_f"), shape.hidden, shape.epsilon));
        OutputHead head =
                OutputHead.of(config, weights, "lm_head", tokens, shape.hidden, shape.tied, shape.initialization);
        child(head.name(), head.layer());
        this.chain = new Chain(tokens, layers, norm, head);
    }

    @Override
    Chain chain() {
        return chain;
    }

    private static DecoderLayer layer(Shape shape, Weights weights, int index) {
        FusedRotaryAttention attention = new FusedRotaryAttention(
                weights.at("attn"),
                PARTS,
                shape.layout,
                shape.hidden,
                shape.attention,
                true,
                index,
                shape.initialization);
        PlainFeedForward feedForward = new PlainFeedForward(
                weights.at("mlp"),
                PROJECTIONS,
                shape.hidden,
                shape.inner,
                true,
                shape.activation,
                shape.initialization);
        return new PreNormLayer(
                weights,
                NAMES,
                shape.hidden,
                LayerNorm.factory(shape.epsilon),
                attention,
                "mlp",
                feedForward,
                shape.residualDropout,
                1);
    }

    @Override
    public Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType) {
        Tensor token = allVectors(inputIds, context, computeDType); // [batch, seq, hidden]
        Tensor position = positions.forward(context.positionIds(), computeDType); // [batch or 1, seq, hidden]
        return context.dropout().apply(token.add(position), shape.embeddingDropout);
    }

    @Override
    public int maxPositions() {
        return shape.maxPositions;
    }

    /** What the configuration says, checked. */
    private record Shape(
            int vocabulary,
            int hidden,
            int inner,
            int layers,
            Attention attention,
            Layout layout,
            Activation activation,
            double epsilon,
            boolean tied,
            int maxPositions,
            double embeddingDropout,
            double residualDropout,
            Initialization initialization) {

        static Shape of(ModelConfig config) {
            config.require("add_cross_attention", false);
            config.refuse(Set.of("quantization_config"));
            int hidden = config.positive("n_embd");
            int heads = config.positive("n_head");
            int headDim = config.headDim("n_embd", "n_head");
            boolean shared = config.flag("multi_query", true);
            double scale = config.flag("scale_attn_weights", true) ? 1 / Math.sqrt(headDim) : 1;
            return new Shape(
                    config.positive("vocab_size"),
                    hidden,
                    config.positive("n_inner", 4 * hidden),
                    config.positive("n_layer"),
                    new Attention(heads, shared ? 1 : heads, headDim, scale, config.number("attn_pdrop", 0.1)),
                    shared ? Layout.STACKED : Layout.BY_KEY,
                    Activation.named(config.text("activation_function", "gelu_pytorch_tanh")),
                    config.number("layer_norm_epsilon", 1e-5),
                    config.flag("tie_word_embeddings", true),
                    config.positive("n_positions", 1024),
                    config.number("embd_pdrop", 0.1),
                    config.number("resid_pdrop", 0.1),
                    new Initialization.Normal(config.number("initializer_range", 0.02)));
        }
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("GPTBigCodeForCausalLM", "GPTBigCodeForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "transformer.";
        }

        @Override
        public String hiddenSizeKey() {
            return "n_embd";
        }

        @Override
        public String headsKey() {
            return "n_head";
        }

        /** Old checkpoints hold the causal mask. */
        @Override
        public boolean isDispensable(String name) {
            return name.endsWith(".attn.bias") || name.endsWith(".attn.masked_bias") || name.equals("transformer.bias");
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            return new GptBigCodeForCausalLM(config, Shape.of(config), weights);
        }
    }
}
