package org.finetune4j.model.architecture;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.DividedFeatures;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/** GPT-2 (Radford et al. 2019): learned positions, weights stored [in, out], one projection for query, key and value. */
public final class Gpt2LMHeadModel extends ChainedDecoder {

    private final Chain chain;
    private final Embedding positions;
    private final Shape shape;

    private Gpt2LMHeadModel(ModelConfig config, Shape shape, Weights weights) {
        this.shape = shape;
        Weights backbone = weights.at("transformer");
        Embedding tokens = child(
                "transformer.wte",
                new Embedding(backbone.at("wte"), shape.vocabulary, shape.hidden, shape.initialization));
        this.positions = child(
                "transformer.wpe",
                new Embedding(backbone.at("wpe"), shape.maxPositions, shape.hidden, shape.initialization));
        List<Layer> layers = new ArrayList<>();
        for (int i = 0; i < shape.layers; i++) {
            layers.add(child("transformer.h." + i, new Layer(shape, backbone.at("h", i), i)));
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

    /** Attention, then a feed-forward block, each on normalised input and added to the stream. */
    static final class Layer extends DecoderLayer {

        private final Shape shape;
        private final int index;
        private final Attention attention;
        private final LayerNorm attentionNorm;
        private final Linear queryKeyValue;
        private final Linear attentionOutput;
        private final LayerNorm feedForwardNorm;
        private final Linear up;
        private final Linear down;

        Layer(Shape shape, Weights weights, int index) {
            this.shape = shape;
            this.index = index;
            this.attention = shape.attentionOf(index);
            long hidden = shape.hidden;
            Initialization init = shape.initialization;
            this.attentionNorm = child("ln_1", new LayerNorm(weights.at("ln_1"), hidden, shape.epsilon));
            this.queryKeyValue = child(
                    "attn.c_attn", Linear.conv1d(weights.at("attn").at("c_attn"), hidden, 3 * shape.queries(), init));
            this.attentionOutput =
                    child("attn.c_proj", Linear.conv1d(weights.at("attn").at("c_proj"), shape.queries(), hidden, init));
            this.feedForwardNorm = child("ln_2", new LayerNorm(weights.at("ln_2"), hidden, shape.epsilon));
            this.up = child("mlp.c_fc", Linear.conv1d(weights.at("mlp").at("c_fc"), hidden, shape.inner, init));
            this.down = child("mlp.c_proj", Linear.conv1d(weights.at("mlp").at("c_proj"), shape.inner, hidden, init));
        }

        @Override
        public Attention attention() {
            return attention;
        }

        @Override
        public Map<String, DividedFeatures> dividedFeatures() {
            Section queries = Section.queries(attention);
            Section inner = Section.inner(shape.inner);
            return Map.of(
                    "attn.c_attn", DividedFeatures.outputs(queries, queries, queries),
                    "attn.c_proj", DividedFeatures.inputs(queries),
                    "mlp.c_fc", DividedFeatures.outputs(inner),
                    "mlp.c_proj", DividedFeatures.inputs(inner));
        }

        @Override
        public Tensor forward(Tensor hiddenStates, SequenceContext context) {
            Tensor attended =
                    join(Block.ATTENTION, hiddenStates, attend(attentionNorm.forward(hiddenStates), context), context);
            Tensor inner = shape.activation.apply(
                    up.forward(feedForwardNorm.forward(attended), context)); // [batch, seq, inner]
            return join(
                    Block.FEED_FORWARD,
                    attended,
                    context.dropout().apply(down.forward(inner, context), shape.residualDropout),
                    context);
        }

        private Tensor attend(Tensor x, SequenceContext context) {
            long queries = shape.queries();
            Tensor all = queryKeyValue.forward(x, context); // [batch, seq, 3 * queries]
            Tensor attended = attention.forward(
                    all.narrow(2, 0, queries), // [batch, seq, queries]
                    all.narrow(2, queries, queries),
                    all.narrow(2, 2 * queries, queries),
                    index,
                    context);
            return context.dropout().apply(attentionOutput.forward(attended, context), shape.residualDropout);
        }
    }

    /** What the configuration says, checked. */
    private record Shape(
            int vocabulary,
            int hidden,
            int inner,
            int layers,
            Attention attention,
            boolean dividedByLayer,
            Activation activation,
            double epsilon,
            boolean tied,
            int maxPositions,
            double embeddingDropout,
            double residualDropout,
            Initialization initialization) {

        /** Size of the queries of all heads. */
        long queries() {
            return (long) attention.heads() * attention.headDim();
        }

        /** Scores may be divided by the layer's number, counted from 1 (Mistral of Stanford's CRFM, 2021). */
        Attention attentionOf(int layer) {
            return dividedByLayer
                    ? attention.withScale(attention.scale() / (layer + 1), attention.softCap())
                    : attention;
        }

        static Shape of(ModelConfig config) {
            config.require("add_cross_attention", false);
            config.refuse(Set.of("quantization_config"));
            int hidden = config.positive("n_embd");
            int heads = config.positive("n_head");
            int headDim = config.headDim("n_embd", "n_head");
            double scale = config.flag("scale_attn_weights", true) ? 1 / Math.sqrt(headDim) : 1;
            return new Shape(
                    config.positive("vocab_size"),
                    hidden,
                    config.positive("n_inner", 4 * hidden),
                    config.positive("n_layer"),
                    new Attention(heads, heads, headDim, scale, config.number("attn_pdrop", 0.1)),
                    config.flag("scale_attn_by_inverse_layer_idx", false),
                    Activation.named(config.text("activation_function", "gelu_new")),
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
            return List.of("GPT2LMHeadModel", "GPT2ForSequenceClassification");
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
            return name.endsWith(".attn.bias") || name.endsWith(".attn.masked_bias");
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            return new Gpt2LMHeadModel(config, Shape.of(config), weights);
        }
    }
}
