package org.finetune4j.model.architecture;

import org.finetune4j.nn.Activation;
import org.finetune4j.nn.Linear;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.nn.Weights;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** What lies between the final norm and the labels of ModernBERT: a dense layer, its activation, a norm. Those that fill in words have it, too. */
final class ModernBertHead extends Module {

    private final Linear dense;
    private final Activation activation;
    private final Norm norm;

    ModernBertHead(ModernBertShape shape, Weights weights) {
        int hidden = shape.hidden();
        this.dense = child(
                "dense", Linear.of(weights.at("dense"), hidden, hidden, shape.headBias(), shape.headInitialization()));
        this.activation = shape.headActivation();
        this.norm = child("norm", shape.norms().create(weights.at("norm"), hidden));
    }

    /** [..., hidden] to [..., hidden]. */
    Tensor forward(Tensor states, @Nullable SequenceContext context) {
        return norm.forward(activation.apply(dense.forward(states, context)), context);
    }
}
