package org.finetune4j.model.architecture;

import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The head of the classifiers of RoBERTa and ELECTRA: a dense layer as wide as the stream, its activation, the labels. In
 * training some of what comes in is dropped, and some of what goes to the labels.
 */
final class DenseHead extends Module {

    private final Linear dense;
    private final Activation activation;
    private final Linear labels;
    private final double dropout;

    DenseHead(BertShape shape, Weights weights, Activation activation, int labels) {
        int hidden = shape.hidden();
        this.dense = child("dense", Linear.of(weights.at("dense"), hidden, hidden, true, shape.initialization()));
        this.labels =
                child("out_proj", Linear.of(weights.at("out_proj"), hidden, labels, true, shape.initialization()));
        this.activation = activation;
        this.dropout = shape.classifierDropout();
    }

    /** The layer that scores the labels. */
    Linear labels() {
        return labels;
    }

    /** Scores of every label: [..., hidden] to [..., labels]. */
    Tensor scores(Tensor states, @Nullable SequenceContext context) {
        Dropout drop = Dropout.of(context);
        Tensor inner = activation.apply(dense.forward(drop.apply(states, dropout), context)); // [..., hidden]
        return labels.forward(drop.apply(inner, dropout), context); // [..., labels]
    }
}
