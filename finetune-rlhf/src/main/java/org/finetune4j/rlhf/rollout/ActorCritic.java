package org.finetune4j.rlhf.rollout;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.TrainingHooks;

/** A policy with the value function that it is trained by. Used elsewhere than in the training it is the policy alone. */
class ActorCritic implements AttachedStrategy {

    private final AttachedStrategy policy;
    private final ValueFunction values;

    ActorCritic(AttachedStrategy policy, ValueFunction values) {
        this.policy = policy;
        this.values = values;
    }

    final ValueFunction values() {
        return values;
    }

    @Override
    public final Collection<Parameter> trainableParameters() {
        List<Parameter> all = new ArrayList<>(policy.trainableParameters());
        all.addAll(values.trainableParameters());
        return all;
    }

    @Override
    public final Collection<Parameter> savedParameters() {
        List<Parameter> all = new ArrayList<>(policy.savedParameters());
        all.addAll(values.savedParameters());
        return all;
    }

    @Override
    public final TrainingHooks trainingHooks() {
        return policy.trainingHooks();
    }

    @Override
    public final void save(Path directory) {
        policy.save(directory);
        values.save(directory);
    }

    @Override
    public final void export(Path directory) {
        policy.export(directory);
    }

    @Override
    public final void restore(Path directory) {
        policy.restore(directory);
        values.restore(directory);
    }

    @Override
    public final void close() {
        values.close();
        policy.close();
    }
}
