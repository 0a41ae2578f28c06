package org.finetune4j.dist.zero;

import java.util.function.Supplier;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Tensor;

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

    /** {@return whether this rank is the one that saves what all ranks that {@link #sum} adds up have alike} */
    default boolean isFirst() {
        return true;
    }

    /**
     * Says how the other ranks are told that one of them brings a parameter together of which they have parts.
     *
     * @param others called around it, where this rank is the one
     */
    default void gatherWith(Gathering others) {}

    /** Lets other ranks help. */
    @FunctionalInterface
    interface Gathering {

        /**
         * Brings a parameter together.
         *
         * @param parameter of which other ranks have parts
         * @param exchange what this rank does; the others do the same
         * @return what the exchange gave
         */
        Tensor of(Parameter parameter, Supplier<Tensor> exchange);
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
