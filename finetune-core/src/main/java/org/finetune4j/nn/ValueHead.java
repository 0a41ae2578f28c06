package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Estimates from a token's hidden state how much reward is still to come: one number a token, in float32 at least. Named as in
 * TRL's {@code AutoModelForCausalLMWithValueHead}.
 */
public final class ValueHead extends Module {

    private final Linear summary;
    private final double dropout;

    /**
     * Reads {@code summary}.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param dropout share of the hidden state dropped in training
     * @param init what a new model starts with
     */
    public ValueHead(Weights weights, long hidden, double dropout, Initialization init) {
        this.summary = child("summary", Linear.of(weights.at("summary"), hidden, 1, true, init));
        this.dropout = dropout;
    }

    /**
     * [batch, seq, hidden] after the final norm to [batch, seq].
     *
     * @param normalised [batch, seq, hidden]
     * @param context what is known about the batch, and whether elements are dropped; null where nothing is
     * @return [batch, seq]
     */
    public Tensor forward(Tensor normalised, @Nullable SequenceContext context) {
        Tensor wide = normalised.to(normalised.dtype().atLeastFloat32());
        Tensor input = Dropout.of(context).apply(wide, dropout);
        return summary.forward(input, context).squeeze(-1); // [batch, seq]
    }
}
