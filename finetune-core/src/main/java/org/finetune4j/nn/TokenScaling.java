package org.finetune4j.nn;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What a method finds out about every token of a batch by a first pass of the model, and its layers read in the second one: how
 * much each of its changes counts for the token (X-LoRA, Buehler and Buehler 2024, arXiv:2402.07148).
 *
 * <p>Nothing goes back through the first pass: gradients end at the hidden states that it gave.
 */
public interface TokenScaling {

    /**
     * What the method's layers read in the first pass.
     *
     * @param batch rows
     * @param seq tokens of each
     * @param dtype the type of the model's calculation
     * @param device where the batch is
     * @return [batch, seq, ...] as {@link #of} gives it, or null where the first pass is the base model's
     */
    @Nullable
    Tensor before(long batch, long seq, DType dtype, Device device);

    /**
     * What the method's layers read in the second pass, recorded where autograd is on.
     *
     * @param hiddenStates [batch, seq, hidden] of the first pass after the final norm, which nothing is to go back through
     * @param dropout whether elements are dropped on the way
     * @return [batch, seq, ...] in the type of the hidden states; what the other dimensions are is between the method and its layers
     */
    Tensor of(Tensor hiddenStates, Dropout dropout);
}
