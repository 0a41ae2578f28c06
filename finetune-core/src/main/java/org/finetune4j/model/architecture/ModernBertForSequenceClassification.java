package org.finetune4j.model.architecture;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.Pooling;
import org.finetune4j.nn.AttentionKind;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Embedding;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * ModernBERT (Warner et al. 2024, arXiv:2412.13663) as a classifier of sequences: an encoder with rotated queries and keys, most of
 * whose layers see a window on both sides of a token. The first token speaks for its sequence, or all of them on average.
 */
public final class ModernBertForSequenceClassification extends DecoderModel {

    private final ModernBertShape shape;
    private final Embedding tokens;
    private final Norm embeddingNorm;
    private final List<ModernBertLayer> layers = new ArrayList<>();
    private final Norm finalNorm;
    private final ModernBertHead head;
    private final Linear classifier;

    private ModernBertForSequenceClassification(ModelConfig config, ModernBertShape shape, Weights weights) {
        this.shape = shape;
        int hidden = shape.hidden();
        Weights backbone = weights.at("model");
        Weights embeddings = backbone.at("embeddings");
        this.tokens = child(
                "model.embeddings.tok_embeddings",
                new Embedding(
                        embeddings.at("tok_embeddings"),
                        shape.vocabulary(),
                        hidden,
                        shape.initialization(),
                        config.padTokenId()));
        this.embeddingNorm = child("model.embeddings.norm", shape.norms().create(embeddings.at("norm"), hidden));
        for (int i = 0; i < shape.layers(); i++) {
            ModernBertLayer layer = new ModernBertLayer(
                    shape, backbone.at("layers", i), i, shape.types().kind(i));
            layers.add(child("model.layers." + i, layer));
        }
        this.finalNorm = child("model.final_norm", shape.norms().create(backbone.at("final_norm"), hidden));
        this.head = child("head", new ModernBertHead(shape, weights.at("head")));
        Initialization ofLabels = new Initialization.Normal(1 / Math.sqrt(hidden));
        this.classifier =
                child("classifier", Linear.of(weights.at("classifier"), hidden, config.labels(), true, ofLabels));
    }

    @Override
    public Tensor embed(Tensor inputIds, SequenceContext context, DType computeDType) {
        Tensor normalised = embeddingNorm.forward(allVectors(inputIds, context, computeDType), context);
        return context.dropout().apply(normalised, shape.embeddingDropout()); // [batch, virtual + seq, hidden]
    }

    @Override
    public List<ModernBertLayer> layers() {
        return layers;
    }

    @Override
    public Tensor finalNorm(Tensor hiddenStates, @Nullable SequenceContext context) {
        return finalNorm.forward(hiddenStates, context);
    }

    @Override
    public Embedding inputEmbedding() {
        return tokens;
    }

    @Override
    protected List<Module> headModules() {
        return List.of(finalNorm, head, classifier);
    }

    @Override
    public Linear outputLayer() {
        return classifier;
    }

    @Override
    public Tensor ownLogits(Tensor normalised, @Nullable SequenceContext context) {
        Tensor pooled = head.forward(normalised, context); // [..., hidden]
        Tensor kept = Dropout.of(context).apply(pooled, shape.classifierDropout());
        return classifier.forward(kept, context); // [..., labels]
    }

    @Override
    public boolean scoresAreProducts() {
        return false;
    }

    @Override
    public Pooling pooling() {
        return shape.pooling();
    }

    @Override
    public boolean isCausal() {
        return false;
    }

    @Override
    public Set<AttentionKind> attentionKinds() {
        return shape.types().distinct();
    }

    @Override
    public int slidingWindow() {
        return shape.types().window();
    }

    @Override
    public RotaryEmbedding rotaryEmbedding(AttentionKind kind) {
        return kind == AttentionKind.SLIDING ? shape.local() : shape.global();
    }

    @Override
    public int maxPositions() {
        return shape.maxPositions();
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("ModernBertForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "model.";
        }

        /** A checkpoint that fills in words has the head's dense layer and norm, too. */
        @Override
        public List<String> headPrefixes() {
            return List.of("classifier.", "head.", "decoder.");
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of(
                    "vocab_size", 50_368,
                    "hidden_size", 768,
                    "intermediate_size", 1152,
                    "num_hidden_layers", 22,
                    "num_attention_heads", 12,
                    "pad_token_id", 50_283));
            return new ModernBertForSequenceClassification(complete, ModernBertShape.of(complete), weights);
        }
    }
}
