package org.finetune4j.nn;

import org.finetune4j.tensor.Tensor;

/** A normalisation over the last dimension. Its parameters take no weight decay by default. */
public abstract class Norm extends Module {

    /** Makes norms of one kind. */
    @FunctionalInterface
    public interface Factory {

        /** A norm of vectors with {@code size} elements. */
        Norm create(Weights weights, long size);
    }

    /** Normalises every vector: [..., size] to [..., size]. */
    public abstract Tensor forward(Tensor x);
}
