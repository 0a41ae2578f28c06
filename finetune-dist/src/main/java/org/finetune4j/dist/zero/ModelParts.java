package org.finetune4j.dist.zero;

import org.finetune4j.nn.Parameter;

/** What ranks beyond the data axis have of the same model: other layers, other parts of matrices, copies of a norm. */
public interface ModelParts {

    /** {@return what holds where every rank of the data axis has the whole model, as far as ZeRO leaves it whole} */
    static ModelParts whole() {
        return new ModelParts() {};
    }

    /**
     * How many ranks that {@link #sum} adds up have the same gradient of a parameter.
     *
     * @param parameter that trains
     * @return at least 1
     */
    default double copies(Parameter parameter) {
        return 1;
    }

    /**
     * Adds up a number over the ranks that have one copy of the model together.
     *
     * @param own this rank's
     * @return the same on all of them
     */
    default double sum(double own) {
        return own;
    }
}
