package org.finetune4j.train;

import java.util.ArrayList;
import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Module;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.Residency;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.optimizer.GradientClipping;
import org.finetune4j.train.optimizer.Optimizer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The optimizer within the backward pass (Lv et al. 2023, LOMO, for any optimizer that moves parameters one by one): when a segment has gone
 * back, what it is the last to use is updated and its gradient freed, so that gradients of a segment or two exist at one time. A table
 * that embedding and output layer share is the embedding's. From the first gradient on that is not finite nothing moves.
 */
public final class UpdateInBackward implements Residency {

    private static final Logger LOG = LoggerFactory.getLogger(UpdateInBackward.class);

    private static final String BEGIN = "optimizer_in_backward frees each gradient before the next one is there, and ";

    private final Optimizer optimizer;
    private final List<Parameter> trainable;
    private final IdentityHashMap<Module, List<Parameter>> lastUsed = new IdentityHashMap<>();
    private final IdentityHashMap<Parameter, Double> norms = new IdentityHashMap<>();
    private double learningRate;
    private boolean broken;
    private Optimizer.@Nullable OpenStep open;

    /**
     * Of all parameters that train.
     *
     * @param network the model's segments
     * @param trainable what the optimizer changes
     * @param optimizer one that {@link Optimizer#stepsInParts}
     */
    public UpdateInBackward(DecoderModel network, Collection<Parameter> trainable, Optimizer optimizer) {
        this.optimizer = optimizer;
        this.trainable = List.copyOf(trainable);
        IdentityHashMap<Parameter, Module> first = new IdentityHashMap<>();
        List<Module> segments = new ArrayList<>();
        segments.add(network.embeddingPart());
        segments.addAll(network.layers());
        segments.add(network.headPart());
        for (Module segment : segments) {
            segment.allParameters().forEach(parameter -> first.putIfAbsent(parameter, segment));
        }
        for (Parameter parameter : trainable) {
            Module segment = first.get(parameter);
            if (segment != null) {
                lastUsed.computeIfAbsent(segment, key -> new ArrayList<>()).add(parameter);
            }
        }
    }

    /**
     * Makes it where a run asks for it.
     *
     * @return null where updates come after the backward pass, as in a group of processes, which shares gradients first
     * @throws UserErrorException when the optimizer or the method needs all gradients at one time
     */
    static @Nullable UpdateInBackward of(
            DecoderModel network,
            AttachedStrategy strategy,
            Optimizer optimizer,
            TrainingArguments arguments,
            Membership membership) {
        if (!arguments.optimizerInBackward()) {
            return null;
        }
        requireFreed(strategy); // on ranks too: what one process refuses, all do
        if (membership.ranks() > 1) {
            if (membership.isFirst()) {
                LOG.warn(
                        "{}{} processes that train together share them first: updates come after the backward pass, with the same"
                                + " numbers; zero_stage: 2 divides gradients",
                        BEGIN,
                        membership.ranks());
            }
            return null;
        }
        if (!optimizer.stepsInParts()) {
            throw new UserErrorException(
                    BEGIN + "optim " + arguments.optimizer().name() + " looks at all of them: choose adamw");
        }
        return new UpdateInBackward(network, strategy.trainableParameters(), optimizer);
    }

    /**
     * Refuses a method that looks at all gradients after a step.
     *
     * @param strategy the method on the model
     * @throws UserErrorException when it does
     */
    static void requireFreed(AttachedStrategy strategy) {
        if (strategy.trainingHooks().readsGradients()) {
            throw new UserErrorException(BEGIN + "this method looks at them after the step: leave it out");
        }
    }

    /**
     * Before the backward pass of a step.
     *
     * @param rate learning rate of the step, before the factors of groups
     */
    public void begin(double rate) {
        learningRate = rate;
        norms.clear();
        broken = false;
        open = null;
    }

    @Override
    public void afterBackward(Module segment) {
        update(lastUsed.getOrDefault(segment, List.of()));
    }

    /**
     * After the backward pass: updates what no segment was the last to use.
     *
     * @return the norm of the whole gradient
     */
    public double finish() {
        update(trainable);
        double squares = 0;
        for (Parameter parameter : trainable) { // in the order of GradientClipping's: the same sum
            double norm = norms.getOrDefault(parameter, 0.0);
            squares += norm * norm;
        }
        return Math.sqrt(squares);
    }

    /** {@return whether the step has changed anything yet} */
    boolean hasMoved() {
        return open != null;
    }

    private void update(List<Parameter> candidates) {
        Map<Parameter, Double> found = new LinkedHashMap<>();
        try (TensorScope scope = TensorScope.open()) { // the pass's own would keep what is looked at to its end
            for (Parameter parameter : candidates) {
                if (parameter.grad() != null) {
                    found.put(parameter, GradientClipping.globalNorm(List.of(parameter)));
                }
            }
        }
        found.forEach(norms::put);
        broken |= found.values().stream().anyMatch(norm -> !Double.isFinite(norm));
        if (!broken && !found.isEmpty()) {
            if (open == null) {
                open = optimizer.openStep(learningRate);
            }
            open.update(found.keySet());
        }
        found.keySet().forEach(Parameter::clearGrad);
    }
}
