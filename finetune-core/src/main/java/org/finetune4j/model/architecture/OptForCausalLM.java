package org.finetune4j.model.architecture;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.Pooling;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.DividedFeatures;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * OPT (Zhang et al. 2022): learned positions counted from 2, norms before each block or, in the model of 350M parameters,
 * after it; that one also has embeddings smaller than its hidden states.
 */
public final class OptForCausalLM extends DecoderModel {

    /** The first rows of the table of positions are not used. */
    private static final int POSITION_OFFSET = 2;

    private final Embedding tokens;
    private final Embedding positions;
    private final @Nullable Linear projectIn;
    private final @Nullable Linear projectOut;
    private final List<Layer> layers = new ArrayList<>();
    private final @Nullable LayerNorm norm;
    private final OutputHead head;
    private final Shape shape;

    private OptForCausalLM(ModelConfig config, Shape shape, Weights weights) {
        this.shape = shape;
        Weights decoder = weights.at("model.decoder");
        long hidden = shape.hidden;
        long embedded = shape.embedded;
        Initialization init = shape.initialization;
        this.tokens = child(
                "model.decoder.embed_tokens",
                new Embedding(decoder.at("embed_tokens"), shape.vocabulary, embedded, init, config.padTokenId()));
        this.positions = child(
                "model.decoder.embed_positions",
                new Embedding(
                        decoder.at("embed_positions"), shape.maxPositions + (long) POSITION_OFFSET, hidden, init));
        boolean projected = embedded != hidden;
        this.projectOut = projected
                ? child(
                        "model.decoder.project_out",
                        Linear.of(decoder.at("project_out"), hidden, embedded, false, init))
                : null;
        this.projectIn = projected
                ? child("model.decoder.project_in", Linear.of(decoder.at("project_in"), embedded, hidden, false, init))
                : null;
        this.norm = shape.finalNorm
                ? child("model.decoder.final_layer_norm", shape.norm(decoder.at("final_layer_norm")))
                : null;
        for (int i = 0; i < shape.layers; i++) {
            layers.add(child("model.decoder.layers." + i, new Layer(shape, decoder.at("layers", i), i)));
        }
        this.head = OutputHead.of(config, weights, "lm_head", tokens, embedded, shape.tied, init);
        child(head.name(), head.layer());
    }

    @Override
    public Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType) {
        Tensor token = allVectors(inputIds, context, computeDType); // [batch, seq, embedded]
        if (projectIn != null) {
            token = projectIn.forward(token, context); // [batch, seq, hidden]
        }
        Tensor position = positions.forward(context.positionIds().add(POSITION_OFFSET), computeDType);
        return token.add(position); // [batch, seq, hidden]
    }

    @Override
    public List<Layer> layers() {
        return layers;
    }

    @Override
    public Tensor finalNorm(Tensor hiddenStates, @Nullable SequenceContext context) {
        Tensor normalised = norm == null ? hiddenStates : norm.forward(hiddenStates);
        return projectOut == null ? normalised : projectOut.forward(normalised, context); // [..., embedded]
    }

    @Override
    public Embedding inputEmbedding() {
        return tokens;
    }

    @Override
    protected List<Module> headModules() {
        List<Module> modules = new ArrayList<>(List.of(head.layer()));
        if (norm != null) {
            modules.add(norm);
        }
        if (projectOut != null) {
            modules.add(projectOut);
        }
        return modules;
    }

    @Override
    public Linear outputLayer() {
        return head.layer();
    }

    @Override
    public @Nullable Pooling pooling() {
        return head.pooling();
    }

    @Override
    public int maxPositions() {
        return shape.maxPositions;
    }

    /** Attention, then a feed-forward block, each with a norm before it or after it has joined the stream. */
    static final class Layer extends DecoderLayer {

        private final Shape shape;
        private final int index;
        private final Linear query;
        private final Linear key;
        private final Linear value;
        private final Linear output;
        private final LayerNorm attentionNorm;
        private final Linear up;
        private final Linear down;
        private final LayerNorm feedForwardNorm;

        Layer(Shape shape, Weights weights, int index) {
            this.shape = shape;
            this.index = index;
            long hidden = shape.hidden;
            long queries = (long) shape.attention.heads() * shape.attention.headDim();
            Weights attention = weights.at("self_attn");
            this.key = child("self_attn.k_proj", linear(attention.at("k_proj"), hidden, queries));
            this.value = child("self_attn.v_proj", linear(attention.at("v_proj"), hidden, queries));
            this.query = child("self_attn.q_proj", linear(attention.at("q_proj"), hidden, queries));
            this.output = child("self_attn.out_proj", linear(attention.at("out_proj"), queries, hidden));
            this.attentionNorm = child("self_attn_layer_norm", shape.norm(weights.at("self_attn_layer_norm")));
            this.up = child("fc1", linear(weights.at("fc1"), hidden, shape.inner));
            this.down = child("fc2", linear(weights.at("fc2"), shape.inner, hidden));
            this.feedForwardNorm = child("final_layer_norm", shape.norm(weights.at("final_layer_norm")));
        }

        private Linear linear(Weights weights, long in, long out) {
            return Linear.of(weights, in, out, shape.bias, shape.initialization);
        }

        @Override
        public Attention attention() {
            return shape.attention;
        }

        @Override
        public Map<String, DividedFeatures> dividedFeatures() {
            Section queries = Section.queries(shape.attention);
            Section keys = Section.keys(shape.attention);
            Section inner = Section.inner(shape.inner);
            return Map.of(
                    "self_attn.q_proj", DividedFeatures.outputs(queries),
                    "self_attn.k_proj", DividedFeatures.outputs(keys),
                    "self_attn.v_proj", DividedFeatures.outputs(keys),
                    "self_attn.out_proj", DividedFeatures.inputs(queries),
                    "fc1", DividedFeatures.outputs(inner),
                    "fc2", DividedFeatures.inputs(inner));
        }

        @Override
        public Tensor forward(Tensor hiddenStates, SequenceContext context) {
            Tensor attention = attend(before(attentionNorm, hiddenStates), context);
            Tensor attended = after(
                    attentionNorm,
                    join(Block.ATTENTION, hiddenStates, context.dropout().apply(attention, shape.dropout), context));
            Tensor inner = shape.activation.apply(
                    up.forward(before(feedForwardNorm, attended), context)); // [batch, seq, inner]
            Tensor fed = context.dropout().apply(down.forward(inner, context), shape.dropout);
            return after(feedForwardNorm, join(Block.FEED_FORWARD, attended, fed, context));
        }

        private Tensor before(LayerNorm norm, Tensor x) {
            return shape.normBefore ? norm.forward(x) : x;
        }

        private Tensor after(LayerNorm norm, Tensor x) {
            return shape.normBefore ? x : norm.forward(x);
        }

        private Tensor attend(Tensor x, SequenceContext context) {
            Tensor attended = shape.attention.forward(
                    query.forward(x, context), key.forward(x, context), value.forward(x, context), index, context);
            return output.forward(attended, context);
        }
    }

    /** What the configuration says, checked. */
    private record Shape(
            int vocabulary,
            int hidden,
            int embedded,
            int inner,
            int layers,
            Attention attention,
            boolean bias,
            boolean normBefore,
            boolean finalNorm,
            boolean normParameters,
            Activation activation,
            boolean tied,
            int maxPositions,
            double dropout,
            Initialization initialization) {

        /** No key of the configuration changes it. */
        static final double EPSILON = 1e-5;

        /** Galactica's norms have neither weight nor bias. */
        LayerNorm norm(Weights weights) {
            return normParameters ? new LayerNorm(weights, hidden, EPSILON) : LayerNorm.plain(EPSILON);
        }

        static Shape of(ModelConfig config) {
            config.refuse(Set.of("quantization_config"));
            config.requireZero("layerdrop");
            int hidden = config.positive("hidden_size");
            int heads = config.positive("num_attention_heads");
            int headDim = config.headDim("hidden_size", "num_attention_heads");
            boolean normBefore = config.flag("do_layer_norm_before", true);
            return new Shape(
                    config.positive("vocab_size"),
                    hidden,
                    config.positive("word_embed_proj_dim", hidden),
                    config.positive("ffn_dim"),
                    config.positive("num_hidden_layers"),
                    new Attention(heads, heads, headDim, 1 / Math.sqrt(headDim), config.number("attention_dropout", 0)),
                    config.flag("enable_bias", true),
                    normBefore,
                    normBefore && !config.flag("_remove_final_layer_norm", false),
                    config.flag("layer_norm_elementwise_affine", true),
                    Activation.named(config.text("activation_function", "relu")),
                    config.flag("tie_word_embeddings", true),
                    config.positive("max_position_embeddings", 2048),
                    config.number("dropout", 0.1),
                    new Initialization.Normal(config.number("init_std", 0.02)));
        }
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("OPTForCausalLM", "OPTForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("pad_token_id", 1));
            return new OptForCausalLM(complete, Shape.of(complete), weights);
        }
    }
}
