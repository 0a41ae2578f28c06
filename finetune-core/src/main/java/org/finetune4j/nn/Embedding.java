package org.finetune4j.nn;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;

/** A table of vectors, one a row. */
public final class Embedding extends Module {

    /** Reads {@code weight} [count, hidden]. */
    public Embedding(Weights weights, long count, long hidden, Initialization initialization) {
        parameter("weight", weights.parameter("weight", initialization, count, hidden));
    }

    /**
     * Looks rows up and gives them in the type of calculation.
     *
     * @param ids int64 of any shape, within the table
     * @return [..., hidden]
     */
    public Tensor forward(Tensor ids, DType computeDType) {
        return Functional.embedding(weight().value(), ids).to(computeDType);
    }

    public Parameter weight() {
        return own("weight");
    }

    /** The number of rows. */
    public long count() {
        return weight().size(0);
    }
}
