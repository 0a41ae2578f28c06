package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Initialization;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * DistilBERT (Sanh et al. 2019) as a classifier of sequences: BERT's encoder with half of the layers and no types of
 * tokens, under a dense layer.
 */
public final class DistilBertForSequenceClassification extends BertEncoder {

    private static final BertLayer.Names NAMES = new BertLayer.Names(
            "attention.q_lin",
            "attention.k_lin",
            "attention.v_lin",
            "attention.out_lin",
            "sa_layer_norm",
            "ffn.lin1",
            "ffn.lin2",
            "output_layer_norm");

    private final Linear dense;
    private final Linear classifier;

    private DistilBertForSequenceClassification(ModelConfig config, BertShape shape, Weights weights) {
        super(config, shape, weights, "distilbert.", "transformer.layer.", NAMES);
        this.dense = linear(weights, "pre_classifier", shape.hidden(), shape.hidden());
        this.classifier = linear(weights, "classifier", shape.hidden(), config.labels());
    }

    @Override
    protected List<Module> headModules() {
        return List.of(dense, classifier);
    }

    @Override
    public Linear outputLayer() {
        return classifier;
    }

    @Override
    public Tensor ownLogits(Tensor normalised, @Nullable SequenceContext context) {
        Tensor inner = Activation.RELU.apply(dense.forward(normalised, context)); // [..., hidden]
        Tensor kept = Dropout.of(context).apply(inner, shape().classifierDropout());
        return classifier.forward(kept, context); // [..., labels]
    }

    private static BertShape shape(ModelConfig config) {
        config.refuse(Set.of("quantization_config"));
        int hidden = config.positive("dim");
        return new BertShape(
                config.positive("vocab_size"),
                hidden,
                hidden,
                config.positive("hidden_dim"),
                config.positive("n_layers"),
                0,
                BertShape.attention(config, "dim", "n_heads", "attention_dropout"),
                Activation.named(config.text("activation", "gelu")),
                1e-12,
                0,
                config.positive("max_position_embeddings", 512),
                config.number("dropout", 0.1),
                0,
                config.number("seq_classif_dropout", 0.2),
                new Initialization.Normal(config.number("initializer_range", 0.02)));
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("DistilBertForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "distilbert.";
        }

        @Override
        public String hiddenSizeKey() {
            return "dim";
        }

        @Override
        public String headsKey() {
            return "n_heads";
        }

        @Override
        public List<String> headPrefixes() {
            return List.of(
                    "classifier.", "pre_classifier.", "vocab_transform.", "vocab_layer_norm.", "vocab_projector.");
        }

        @Override
        public boolean isDispensable(String name) {
            return name.endsWith("embeddings.position_ids");
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("pad_token_id", 0));
            return new DistilBertForSequenceClassification(complete, shape(complete), weights);
        }
    }
}
