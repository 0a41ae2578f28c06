package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * BERT (Devlin et al. 2019) as a classifier of sequences: the first token's state goes through a pooler to the classifier.
 */
public final class BertForSequenceClassification extends BertEncoder {

    private final Linear pooler;
    private final Linear classifier;

    private BertForSequenceClassification(ModelConfig config, BertShape shape, Weights weights) {
        super(config, shape, weights, "bert.", "encoder.layer.", BertLayer.Names.BERT);
        this.pooler = linear(weights, "bert.pooler.dense", shape.hidden(), shape.hidden());
        this.classifier = linear(weights, "classifier", shape.hidden(), config.labels());
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
    public Tensor ownLogits(Tensor normalised, @Nullable SequenceContext context) {
        Tensor pooled = pooler.forward(normalised, context).tanh(); // [..., hidden]
        Tensor kept = Dropout.of(context).apply(pooled, shape().classifierDropout());
        return classifier.forward(kept, context); // [..., labels]
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
            BertShape shape = BertShape.of(complete, complete.positive("hidden_size"), 0);
            return new BertForSequenceClassification(complete, shape, weights);
        }
    }
}
