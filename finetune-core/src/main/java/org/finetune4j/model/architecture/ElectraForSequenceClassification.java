package org.finetune4j.model.architecture;

import java.util.List;
import java.util.Map;
import org.finetune4j.model.Architecture;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Weights;

/**
 * ELECTRA (Clark et al. 2020) as a classifier of sequences: BERT's encoder, whose table of words may be narrower than the
 * stream, under a dense layer.
 */
public final class ElectraForSequenceClassification extends DenseHeadEncoder {

    private ElectraForSequenceClassification(ModelConfig config, BertShape shape, Weights weights) {
        super(config, shape, weights, "electra.", Activation.GELU);
    }

    /** Registers the architecture. */
    public static final class Provider implements Architecture {

        @Override
        public List<String> names() {
            return List.of("ElectraForSequenceClassification");
        }

        @Override
        public String backbonePrefix() {
            return "electra.";
        }

        @Override
        public List<String> headPrefixes() {
            return List.of("classifier.", "discriminator_predictions.", "generator_predictions.", "generator_lm_head.");
        }

        @Override
        public boolean isDispensable(String name) {
            return name.endsWith("embeddings.position_ids");
        }

        @Override
        public DecoderModel build(ModelConfig config, Weights weights) {
            ModelConfig complete = config.withDefaults(Map.of("pad_token_id", 0));
            BertShape shape = BertShape.of(complete, complete.positive("embedding_size", 128), 0);
            return new ElectraForSequenceClassification(complete, shape, weights);
        }
    }
}
