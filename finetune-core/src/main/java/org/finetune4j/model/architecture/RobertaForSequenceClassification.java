package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * RoBERTa (Liu et al. 2019), XLM-RoBERTa and CamemBERT as classifiers of sequences: BERT's encoder whose positions begin
 * behind the padding's id, under a dense layer.
 */
public final class RobertaForSequenceClassification extends BertEncoder {

    private final DenseHead head;

    private RobertaForSequenceClassification(ModelConfig config, BertShape shape, Weights weights) {
        super(config, shape, weights, "roberta.", "encoder.layer.", BertLayer.Names.BERT);
        this.head =
                child("classifier", new DenseHead(shape, weights.at("classifier"), Activation.TANH, config.labels()));
    }

    @Override
    protected List<Module> headModules() {
        return List.of(head);
    }

    @Override
    public Linear outputLayer() {
        return head.labels();
    }

    @Override
    public Tensor ownLogits(Tensor normalised, @Nullable SequenceContext context) {
        return head.scores(normalised, context);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of(
                    "RobertaForSequenceClassification",
                    "XLMRobertaForSequenceClassification",
                    "CamembertForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "roberta.";
        }

        @Override
        public List<String> headPrefixes() {
            return List.of("classifier.", "roberta.pooler.", "lm_head.");
        }

        @Override
        public boolean isDispensable(String name) {
            return name.endsWith("embeddings.position_ids");
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("pad_token_id", 1));
            Integer padding = complete.padTokenId();
            int first = padding == null ? 0 : padding + 1;
            BertShape shape = BertShape.of(complete, complete.positive("hidden_size"), first);
            return new RobertaForSequenceClassification(complete, shape, weights);
        }
    }
}
