package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Weights;

/**
 * RoBERTa (Liu et al. 2019), XLM-RoBERTa and CamemBERT as classifiers of sequences: BERT's encoder whose positions begin
 * behind the padding's id, under a dense layer.
 */
public final class RobertaForSequenceClassification extends DenseHeadEncoder {

    private RobertaForSequenceClassification(ModelConfig config, BertShape shape, Weights weights) {
        super(config, shape, weights, "roberta.", Activation.TANH);
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
