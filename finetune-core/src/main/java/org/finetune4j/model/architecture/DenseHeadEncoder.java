package org.finetune4j.model.architecture;

import java.util.List;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** BERT's encoder under the head that RoBERTa and ELECTRA have, see {@link DenseHead}. */
abstract class DenseHeadEncoder extends BertEncoder {

    private final DenseHead head;

    /**
     * @param prefix of the encoder's weights, {@code roberta.}
     * @param activation between the head's two layers
     */
    DenseHeadEncoder(ModelConfig config, BertShape shape, Weights weights, String prefix, Activation activation) {
        super(config, shape, weights, prefix, "encoder.layer.", BertLayer.Names.BERT);
        this.head = child("classifier", new DenseHead(shape, weights.at("classifier"), activation, config.labels()));
    }

    @Override
    protected final List<Module> headModules() {
        return List.of(head);
    }

    @Override
    public final Linear outputLayer() {
        return head.labels();
    }

    @Override
    public final Tensor ownLogits(Tensor normalised, @Nullable SequenceContext context) {
        return head.scores(normalised, context);
    }
}
