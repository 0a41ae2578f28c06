package org.finetune4j.dist.zero;

import java.util.List;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterSlice;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

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

    /**
     * The ranks that have this one's layers, where the first rank of all is not among them: they gather by themselves what of these
     * is saved.
     *
     * @return null where the first rank has the same layers
     */
    default @Nullable Communicator stage() {
        return null;
    }

    /**
     * Whether this rank trains a parameter.
     *
     * @param parameter that trains somewhere
     * @return false where other layers' ranks do
     */
    default boolean isHere(Parameter parameter) {
        return true;
    }

    /** {@return parameters whose values only some of the ranks have that have one copy of the model together; the same on all} */
    default List<Parameter> apart() {
        return List.of();
    }

    /**
     * Says how the other ranks are told that this one needs values that are {@link #apart}.
     *
     * @param asking called before {@link #borrow}
     */
    default void askWith(Consumer<Parameter> asking) {}

    /**
     * Brings values that are {@link #apart} to all ranks that have one copy of the model together, which call it together.
     *
     * @param parameter any
     * @return to be closed when the values may go again; on ranks that have them anyway it does nothing
     */
    default Loan borrow(Parameter parameter) {
        return () -> {};
    }

    /** Values that are here for a while. */
    @FunctionalInterface
    interface Loan extends AutoCloseable {

        @Override
        void close();
    }

    /**
     * Whole experts that ranks of the data axis share out.
     *
     * @param sharers ranks with different batches that have one set of experts together
     * @param copies ranks with different batches that have the same experts: they add up these's gradients
     * @param has which slices are of such an expert
     */
    record SharedExperts(Communicator sharers, Communicator copies, Predicate<ParameterSlice> has) {

        /**
         * Whether a parameter belongs to such an expert.
         *
         * @param parameter any
         * @return true where this rank has all that its tensor group has of it, or nothing
         */
        public boolean owns(Parameter parameter) {
            ParameterSlice slice = parameter.slice();
            return slice != null && has.test(slice);
        }
    }

    /** {@return the experts that ranks of the data axis share out, or null where each has all} */
    default @Nullable SharedExperts experts() {
        return null;
    }

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
