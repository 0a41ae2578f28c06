package org.finetune4j.model.architecture;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.Pooling;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Attention;
import org.finetune4j.nn.DecoderLayer;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.LayerNorm;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * BERT (Devlin et al. 2019) as a classifier of sequences: tokens see each other in both directions, norms follow each
 * block, and the first token's state goes through a pooler to the classifier.
 */
public final class BertForSequenceClassification extends DecoderModel {

    private final Embedding words;
    private final Embedding positions;
    private final Embedding types;
    private final LayerNorm embeddingNorm;
    private final List<Layer> layers = new ArrayList<>();
    private final Linear pooler;
    private final Linear classifier;
    private final Shape shape;

    private BertForSequenceClassification(ModelConfig config, Shape shape, Weights weights) {
        this.shape = shape;
        Weights bert = weights.at("bert");
        Weights embeddings = bert.at("embeddings");
        this.words = child(
                "bert.embeddings.word_embeddings",
                new Embedding(
                        embeddings.at("word_embeddings"),
                        shape.vocabulary,
                        shape.hidden,
                        shape.initialization,
                        config.padTokenId()));
        this.positions = embedding(embeddings, "position_embeddings", shape.maxPositions);
        this.types = embedding(embeddings, "token_type_embeddings", shape.types);
        this.embeddingNorm = child(
                "bert.embeddings.LayerNorm", new LayerNorm(embeddings.at("LayerNorm"), shape.hidden, shape.epsilon));
        for (int i = 0; i < shape.layers; i++) {
            layers.add(child(
                    "bert.encoder.layer." + i,
                    new Layer(shape, bert.at("encoder").at("layer", i), i)));
        }
        this.pooler = child(
                "bert.pooler.dense",
                Linear.of(bert.at("pooler.dense"), shape.hidden, shape.hidden, true, shape.initialization));
        this.classifier = child(
                "classifier",
                Linear.of(weights.at("classifier"), shape.hidden, config.labels(), true, shape.initialization));
    }

    private Embedding embedding(Weights embeddings, String name, long count) {
        return child(
                "bert.embeddings." + name,
                new Embedding(embeddings.at(name), count, shape.hidden, shape.initialization));
    }

    @Override
    public Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType) {
        Tensor vectors = allVectors(inputIds, context, computeDType); // [batch, virtual + seq, hidden]
        Tensor sum = vectors.add(typeVectors(context, vectors.size(1), computeDType))
                .add(positions.forward(context.positionIds(), computeDType)); // [batch, virtual + seq, hidden]
        return context.dropout().apply(embeddingNorm.forward(sum), shape.dropout);
    }

    /** The vectors of the tokens' types, the first one's where none are given: [1, hidden] or [batch, length, hidden]. */
    private Tensor typeVectors(SequenceContext context, long length, DType computeDType) {
        Tensor typeIds = context.tokenTypeIds(); // [batch, seq]
        if (typeIds == null) {
            return types.weight().as(computeDType).narrow(0, 0, 1); // [1, hidden]
        }
        long virtual = length - typeIds.size(1);
        Tensor all = virtual == 0
                ? typeIds
                : Tensors.cat(
                        List.of(Tensors.zeros(typeIds.dtype(), typeIds.device(), typeIds.size(0), virtual), typeIds),
                        1); // [batch, virtual + seq]
        return types.forward(all, computeDType);
    }

    @Override
    public List<Layer> layers() {
        return layers;
    }

    /** The last layer has normalised already. */
    @Override
    public Tensor finalNorm(Tensor hiddenStates, @Nullable SequenceContext context) {
        return hiddenStates;
    }

    @Override
    public Embedding inputEmbedding() {
        return words;
    }

    @Override
    public int tokenTypes() {
        return Math.toIntExact(types.count());
    }

    @Override
    protected List<Module> headModules() {
        return List.of(pooler, classifier);
    }

    @Override
    public Linear outputLayer() {
        return classifier;
    }

    @Override
    public Pooling pooling() {
        return Pooling.first();
    }

    @Override
    public boolean scoresAreProducts() {
        return false;
    }

    @Override
    public Tensor ownLogits(Tensor normalised, @Nullable SequenceContext context) {
        Tensor pooled = pooler.forward(normalised, context).tanh(); // [..., hidden]
        return classifier.forward(Dropout.of(context).apply(pooled, shape.classifierDropout), context); // [..., labels]
    }

    @Override
    public boolean isCausal() {
        return false;
    }

    @Override
    public int maxPositions() {
        return shape.maxPositions;
    }

    /** Attention, then a feed-forward block, each normalised after it has joined the stream. */
    static final class Layer extends DecoderLayer {

        private final Shape shape;
        private final int index;
        private final Linear query;
        private final Linear key;
        private final Linear value;
        private final Linear attentionOutput;
        private final LayerNorm attentionNorm;
        private final Linear up;
        private final Linear down;
        private final LayerNorm outputNorm;

        Layer(Shape shape, Weights weights, int index) {
            this.shape = shape;
            this.index = index;
            int hidden = shape.hidden;
            this.query = linear(weights, "attention.self.query", hidden, hidden);
            this.key = linear(weights, "attention.self.key", hidden, hidden);
            this.value = linear(weights, "attention.self.value", hidden, hidden);
            this.attentionOutput = linear(weights, "attention.output.dense", hidden, hidden);
            this.attentionNorm = norm(weights, "attention.output.LayerNorm");
            this.up = linear(weights, "intermediate.dense", hidden, shape.inner);
            this.down = linear(weights, "output.dense", shape.inner, hidden);
            this.outputNorm = norm(weights, "output.LayerNorm");
        }

        private Linear linear(Weights weights, String name, long in, long out) {
            return child(name, Linear.of(weights.at(name), in, out, true, shape.initialization));
        }

        private LayerNorm norm(Weights weights, String name) {
            return child(name, new LayerNorm(weights.at(name), shape.hidden, shape.epsilon));
        }

        @Override
        public Attention attention() {
            return shape.attention;
        }

        @Override
        public Tensor forward(Tensor hiddenStates, SequenceContext context) {
            Tensor attention = shape.attention.forward(
                    query.forward(hiddenStates, context),
                    key.forward(hiddenStates, context),
                    value.forward(hiddenStates, context),
                    index,
                    context);
            Tensor output = context.dropout().apply(attentionOutput.forward(attention, context), shape.dropout);
            Tensor attended = normAfter(Block.ATTENTION, join(Block.ATTENTION, hiddenStates, output, context));
            Tensor inner = shape.activation.apply(up.forward(attended, context)); // [batch, seq, inner]
            Tensor fed = context.dropout().apply(down.forward(inner, context), shape.dropout);
            return normAfter(Block.FEED_FORWARD, join(Block.FEED_FORWARD, attended, fed, context));
        }

        @Override
        public Tensor normAfter(Block block, Tensor stream) {
            return (block == Block.ATTENTION ? attentionNorm : outputNorm).forward(stream);
        }
    }

    /** What the configuration says, checked. */
    private record Shape(
            int vocabulary,
            int hidden,
            int inner,
            int layers,
            int types,
            Attention attention,
            Activation activation,
            double epsilon,
            int maxPositions,
            double dropout,
            double classifierDropout,
            Initialization initialization) {

        static Shape of(ModelConfig config) {
            config.refuse(Set.of("quantization_config"));
            config.require("is_decoder", false);
            config.require("add_cross_attention", false);
            String positions = config.text("position_embedding_type", "absolute");
            if (!positions.equals("absolute")) {
                throw new UserErrorException(config.origin() + ": 'position_embedding_type': '" + positions
                        + "' is not implemented for " + config.architecture() + ", expected absolute");
            }
            int hidden = config.positive("hidden_size");
            int heads = config.positive("num_attention_heads");
            if (hidden % heads != 0) {
                throw config.invalid("hidden_size", "a multiple of num_attention_heads " + heads);
            }
            int headDim = hidden / heads;
            double dropout = config.number("hidden_dropout_prob", 0.1);
            return new Shape(
                    config.positive("vocab_size"),
                    hidden,
                    config.positive("intermediate_size"),
                    config.positive("num_hidden_layers"),
                    config.positive("type_vocab_size", 2),
                    new Attention(
                            heads,
                            heads,
                            headDim,
                            1 / Math.sqrt(headDim),
                            config.number("attention_probs_dropout_prob", 0.1)),
                    Activation.named(config.text("hidden_act", "gelu")),
                    config.number("layer_norm_eps", 1e-12),
                    config.positive("max_position_embeddings", 512),
                    dropout,
                    config.number("classifier_dropout", dropout),
                    new Initialization.Normal(config.number("initializer_range", 0.02)));
        }
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("BertForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "bert.";
        }

        /** The first releases were converted from TensorFlow, with its names of a norm's weights. */
        @Override
        public List<String> formerNames(String name) {
            return name.contains("LayerNorm.")
                    ? List.of(name.replace("LayerNorm.weight", "LayerNorm.gamma")
                            .replace("LayerNorm.bias", "LayerNorm.beta"))
                    : List.of();
        }

        @Override
        public List<String> headPrefixes() {
            return List.of("classifier.", "bert.pooler.", "cls.");
        }

        @Override
        public boolean isDispensable(String name) {
            return name.endsWith("embeddings.position_ids");
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("pad_token_id", 0));
            return new BertForSequenceClassification(complete, Shape.of(complete), weights);
        }
    }
}
