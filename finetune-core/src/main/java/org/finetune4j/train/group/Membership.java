package org.finetune4j.train.group;

import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.ParameterPart;
import org.finetune4j.nn.Residency;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.health.TrainingStatistics;
import org.finetune4j.train.objective.Ranks;
import org.finetune4j.train.optimizer.GradientClipping;
import org.finetune4j.train.optimizer.MasterWeights;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;

/**
 * What one rank does in a run of its group. All ranks make the same calls in the same order; each of them may wait for the others.
 * As it stands it is that of a process that trains by itself.
 *
 * <p>A step goes: {@link #stops}, the passes of this rank's {@link Share} by {@link #run}, {@link #reduceGradients}, the method's
 * own penalty, {@link #sum} and {@link #gradientNorm}, {@link #scaleGradients}, {@link Optimizer#step} of what {@link #optimizer}
 * gave, after which every rank's model has the new weights.
 */
public interface Membership extends Ranks, AutoCloseable {

    /** That of a process that trains by itself. */
    Membership ALONE = new Membership() {};

    /** {@return the number of this rank in its group, from 0} */
    default int rank() {
        return 0;
    }

    /** {@return how many ranks the group has} */
    default int ranks() {
        return 1;
    }

    /** {@return whether no other rank is a thread of this process, where what libtorch is set to holds for all} */
    default boolean isAloneInProcess() {
        return true;
    }

    /** {@return whether this rank writes files and tells listeners} */
    default boolean isFirst() {
        return rank() == 0;
    }

    /** {@return the number of this rank among those that share the data of a step, from 0} */
    default int dataRank() {
        return 0;
    }

    /** {@return how many ranks share the data of a step} */
    default int dataRanks() {
        return 1;
    }

    /** {@return what is done around every segment in every pass of the run, inside of what the run does itself} */
    default List<Residency> residencies() {
        return List.of();
    }

    /**
     * Whether the run is to stop before the next step: all ranks say the same.
     *
     * @param requested whether this rank was asked to
     * @return whether any was
     */
    default boolean stops(boolean requested) {
        return requested;
    }

    /**
     * Whether a step that has begun may be left.
     *
     * @param requested whether this rank was asked to stop
     * @return false where other ranks would wait for this one
     */
    default boolean stopsWithinStep(boolean requested) {
        return requested;
    }

    /**
     * Runs passes forwards and backwards; gradients add up in the parameters.
     *
     * @param backpropagation of the model
     * @param passes this rank's, at least one; every rank of the data axis has as many
     * @param stop whether to leave the step, asked between passes
     * @return the sum of the losses of this rank's passes, or empty when the step was left
     */
    default OptionalDouble run(Backpropagation backpropagation, List<Pass> passes, BooleanSupplier stop) {
        double loss = 0;
        for (int i = 0; i < passes.size(); i++) {
            if (i > 0 && stop.getAsBoolean()) {
                return OptionalDouble.empty();
            }
            loss += passes.get(i).run(backpropagation);
        }
        return OptionalDouble.of(loss);
    }

    /** Adds up the gradients over the ranks that share the data, as far as that has not been done in the passes. */
    default void reduceGradients() {}

    /**
     * Adds up numbers over the ranks that share the data.
     *
     * @param numbers this rank's, as many on every rank
     * @return the sums, the same on all of them
     */
    default double[] sum(double[] numbers) {
        return numbers;
    }

    /**
     * Adds up numbers of which every rank has those of its part of the model, over the ranks that share the data and over the parts.
     *
     * @param numbers this rank's, zero for what others have
     * @return the sums, the same on all ranks
     */
    default double[] sumOfParts(double[] numbers) {
        return sum(numbers);
    }

    /**
     * Adds up what ranks of the data axis have of a step.
     *
     * @param loss this rank's
     * @param metrics this rank's, by name; not every rank needs to have all
     * @return over all ranks
     */
    default Sums sum(double loss, Map<String, Average> metrics) {
        return new Sums(loss, metrics);
    }

    /**
     * What a step gave, over all ranks.
     *
     * @param loss of the step
     * @param metrics by name
     */
    record Sums(double loss, Map<String, Average> metrics) {}

    /**
     * The norm of the whole gradient, every parameter counted once, wherever its parts and copies are.
     *
     * @param trainable what the run trains
     * @return the same on all ranks
     */
    default double gradientNorm(Collection<Parameter> trainable) {
        return GradientClipping.globalNorm(trainable);
    }

    /**
     * How large every parameter's gradient is, wherever its parts and copies are.
     *
     * @param trainable what the run trains
     * @return by name, the same on all ranks
     */
    default Map<String, TrainingStatistics.Size> gradientSizes(Collection<Parameter> trainable) {
        return TrainingStatistics.gradients(trainable);
    }

    /**
     * Scales the gradients, whose norm is known, down to a norm.
     *
     * @param trainable what the run trains
     * @param norm of the whole gradient
     * @param maxNorm the largest allowed
     */
    default void scaleGradients(Collection<Parameter> trainable, double norm, double maxNorm) {
        GradientClipping.scaleDown(trainable, norm, maxNorm);
    }

    /**
     * Makes the run's optimizer, which updates this rank's part and brings the parts together.
     *
     * @param provider makes the optimizer itself
     * @param groups every trainable parameter once
     * @param tables those among them that are token embeddings or the output layer
     * @param options the settings
     * @return to be closed by the run
     * @throws org.finetune4j.UserErrorException when this optimizer cannot work on parts
     */
    default Optimizer optimizer(
            OptimizerProvider provider, List<ParameterGroup> groups, Set<Parameter> tables, OptimizerOptions options) {
        return MasterWeights.optimizer(provider, groups, tables, options);
    }

    /**
     * What this rank is to save of the optimizer's state.
     *
     * @param state that the run's optimizer gave on this rank
     * @return what belongs into this rank's file, with its place where it is a part
     */
    default Map<String, ParameterPart> held(Map<String, Tensor> state) {
        Map<String, ParameterPart> all = new LinkedHashMap<>();
        state.forEach((name, tensor) -> all.put(name, ParameterPart.whole(tensor)));
        return all;
    }

    /**
     * What this rank's optimizer takes over of a state that was saved by any number of ranks.
     *
     * @param name of the state
     * @param whole all of it
     * @return this rank's part of it, or empty where that is with others
     */
    default Optional<Tensor> taken(String name, Tensor whole) {
        return Optional.of(whole);
    }

    /** Leaves the group's run. */
    @Override
    default void close() {}
}
