package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** A normalisation over the last dimension. Its parameters take no weight decay by default. */
public abstract class Norm extends Module {

    /** Makes norms of one kind. */
    @FunctionalInterface
    public interface Factory {

        /**
         * A norm of vectors with {@code size} elements.
         *
         * @param weights where the parameters come from, below this module's name
         * @param size of the vectors
         * @return the norm
         */
        Norm create(Weights weights, long size);
    }

    /**
     * Normalises every vector: [..., size] to [..., size].
     *
     * @param x [..., size]
     * @return [..., size]
     */
    public abstract Tensor forward(Tensor x);

    /**
     * {@return how its parameters are divided, where vectors of all heads are normalised and processes have some heads each; null
     * where they cannot be}
     *
     * @param heads all of them
     */
    public @Nullable DividedFeatures dividedBy(DividedFeatures.Section heads) {
        return DividedFeatures.elements(heads);
    }

    /**
     * The same where it is known what is calculated: a norm that has a faster way for the few tokens of decoding takes it.
     *
     * @param x [..., size]
     * @param context what is known about the batch; null where nothing is
     * @return [..., size]
     */
    public Tensor forward(Tensor x, @Nullable SequenceContext context) {
        return forward(x);
    }
}
