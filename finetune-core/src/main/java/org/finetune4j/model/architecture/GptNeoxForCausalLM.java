package org.finetune4j.model.architecture;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.RotaryConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.DividedFeatures;
import org.finetune4j.nn.DividedFeatures.Section;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/**
 * GPT-NeoX and Pythia (Black et al. 2022, Biderman et al. 2023): part of each head is rotated, and attention and
 * feed-forward block read the same stream and join it together.
 */
public final class GptNeoxForCausalLM extends ChainedDecoder {

    private final Chain chain;
    private final Shape shape;

    private GptNeoxForCausalLM(ModelConfig config, Shape shape, Weights weights) {
        this.shape = shape;
        Weights backbone = weights.at("gpt_neox");
        Embedding embedding = child(
                "gpt_neox.embed_in",
                new Embedding(backbone.at("embed_in"), shape.vocabulary, shape.hidden, shape.initialization));
        List<Layer> layers = new ArrayList<>();
        for (int i = 0; i < shape.layers; i++) {
            layers.add(child("gpt_neox.layers." + i, new Layer(shape, backbone.at("layers", i), i)));
        }
        LayerNorm norm = child(
                "gpt_neox.final_layer_norm",
                new LayerNorm(backbone.at("final_layer_norm"), shape.hidden, shape.epsilon));
        OutputHead head =
                OutputHead.of(config, weights, "embed_out", embedding, shape.hidden, shape.tied, shape.initialization);
        child(head.name(), head.layer());
        this.chain = new Chain(embedding, layers, norm, head);
    }

    @Override
    Chain chain() {
        return chain;
    }

    @Override
    public Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType) {
        return context.dropout().apply(allVectors(inputIds, context, computeDType), shape.dropout);
    }

    @Override
    public RotaryEmbedding rotaryEmbedding(AttentionKind kind) {
        return shape.rotary;
    }

    @Override
    public int maxPositions() {
        return shape.maxPositions;
    }

    /** Attention and feed-forward block, side by side or one after the other. */
    static final class Layer extends DecoderLayer {

        private final Shape shape;
        private final int index;
        private final LayerNorm inputNorm;
        private final LayerNorm postAttentionNorm;
        private final Linear queryKeyValue;
        private final Linear attentionOutput;
        private final Linear up;
        private final Linear down;

        Layer(Shape shape, Weights weights, int index) {
            this.shape = shape;
            this.index = index;
            long hidden = shape.hidden;
            Initialization init = shape.initialization;
            this.inputNorm =
                    child("input_layernorm", new LayerNorm(weights.at("input_layernorm"), hidden, shape.epsilon));
            this.postAttentionNorm = child(
                    "post_attention_layernorm",
                    new LayerNorm(weights.at("post_attention_layernorm"), hidden, shape.epsilon));
            long queries = (long) shape.attention.heads() * shape.attention.headDim();
            Weights attention = weights.at("attention");
            this.queryKeyValue = child(
                    "attention.query_key_value",
                    Linear.of(attention.at("query_key_value"), hidden, 3 * queries, shape.attentionBias, init));
            this.attentionOutput = child(
                    "attention.dense", Linear.of(attention.at("dense"), queries, hidden, shape.attentionBias, init));
            Weights mlp = weights.at("mlp");
            this.up = child("mlp.dense_h_to_4h", Linear.of(mlp.at("dense_h_to_4h"), hidden, shape.inner, true, init));
            this.down = child("mlp.dense_4h_to_h", Linear.of(mlp.at("dense_4h_to_h"), shape.inner, hidden, true, init));
        }

        @Override
        public Attention attention() {
            return shape.attention;
        }

        @Override
        public Map<String, DividedFeatures> dividedFeatures() {
            Attention heads = shape.attention;
            // The query, key and value of each head side by side.
            Section headByHead = new Section(DividedFeatures.Kind.QUERY_HEADS, heads.heads(), 3L * heads.headDim());
            Section inner = Section.inner(shape.inner);
            return Map.of(
                    "attention.query_key_value", DividedFeatures.outputs(headByHead),
                    "attention.dense", DividedFeatures.inputs(Section.queries(heads)),
                    "mlp.dense_h_to_4h", DividedFeatures.outputs(inner),
                    "mlp.dense_4h_to_h", DividedFeatures.inputs(inner));
        }

        @Override
        public Tensor forward(Tensor hiddenStates, SequenceContext context) {
            Tensor attention = context.dropout().apply(attend(inputNorm.forward(hiddenStates), context), shape.dropout);
            Tensor attended = join(Block.ATTENTION, hiddenStates, attention, context);
            Tensor input = shape.parallel ? hiddenStates : attended;
            Tensor inner = shape.activation.apply(
                    up.forward(postAttentionNorm.forward(input), context)); // [batch, seq, inner]
            return join(
                    Block.FEED_FORWARD,
                    attended,
                    context.dropout().apply(down.forward(inner, context), shape.dropout),
                    context);
        }

        private Tensor attend(Tensor x, SequenceContext context) {
            int headDim = shape.attention.headDim();
            // The query, key and value of each head side by side.
            Tensor projected = queryKeyValue.forward(x, context); // [batch, seq, 3 * queries]
            Tensor all = projected.view(projected.size(0), projected.size(1), shape.attention.heads(), 3L * headDim);
            Tensor attended = shape.attention.forward(
                    all.narrow(3, 0, headDim), // [batch, seq, heads, headDim]
                    all.narrow(3, headDim, headDim),
                    all.narrow(3, 2L * headDim, headDim),
                    index,
                    context);
            return attentionOutput.forward(attended, context);
        }
    }

    /** What the configuration says, checked. */
    private record Shape(
            int vocabulary,
            int hidden,
            int inner,
            int layers,
            Attention attention,
            boolean attentionBias,
            boolean parallel,
            Activation activation,
            double epsilon,
            boolean tied,
            int maxPositions,
            double dropout,
            RotaryEmbedding rotary,
            Initialization initialization) {

        static Shape of(ModelConfig config) {
            config.refuse(Set.of("quantization_config"));
            int hidden = config.positive("hidden_size");
            int heads = config.positive("num_attention_heads");
            int headDim = config.headDim("hidden_size", "num_attention_heads");
            return new Shape(
                    config.positive("vocab_size"),
                    hidden,
                    config.positive("intermediate_size"),
                    config.positive("num_hidden_layers"),
                    new Attention(heads, heads, headDim, 1 / Math.sqrt(headDim), config.number("attention_dropout", 0)),
                    config.flag("attention_bias", true),
                    config.flag("use_parallel_residual", true),
                    Activation.named(config.text("hidden_act", "gelu")),
                    config.number("layer_norm_eps", 1e-5),
                    config.flag("tie_word_embeddings", false),
                    RotaryConfig.maxPositions(config, 2048),
                    config.number("hidden_dropout", 0),
                    RotaryConfig.ofPart(config, headDim, "rotary_emb_base", "rotary_pct", 0.25),
                    new Initialization.Normal(config.number("initializer_range", 0.02)));
        }
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("GPTNeoXForCausalLM", "GPTNeoXForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "gpt_neox.";
        }

        /** Newer versions of transformers call the output layer as other models do, in memory and in some files. */
        @Override
        public List<String> formerNames(String name) {
            return name.equals("embed_out.weight") ? List.of("lm_head.weight") : List.of();
        }

        @Override
        public List<String> headPrefixes() {
            return List.of("score.", "embed_out.", "lm_head.");
        }

        /** Old checkpoints hold the causal mask and the rotary speeds. */
        @Override
        public boolean isDispensable(String name) {
            return name.endsWith(".attention.bias")
                    || name.endsWith(".attention.masked_bias")
                    || name.endsWith("rotary_emb.inv_freq");
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            return new GptNeoxForCausalLM(config, Shape.of(config), weights);
        }
    }
}
