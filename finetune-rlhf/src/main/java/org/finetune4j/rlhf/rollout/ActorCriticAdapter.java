package org.finetune4j.rlhf.rollout;

import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.Adapter;

/** A policy that is an adapter, with its value function. */
final class ActorCriticAdapter extends ActorCritic implements Adapter {

    private final Adapter policy;

    ActorCriticAdapter(Adapter policy, ValueFunction values) {
        super(policy, values);
        this.policy = policy;
    }

    @Override
    public Map<String, Parameter> parametersByKey() {
        return policy.parametersByKey();
    }

    @Override
    public boolean isEnabled() {
        return policy.isEnabled();
    }

    @Override
    public void enable() {
        policy.enable();
    }

    @Override
    public void disable() {
        policy.disable();
    }

    @Override
    public void merge() {
        policy.merge();
    }

    @Override
    public void mergeKeepingTies() {
        policy.mergeKeepingTies();
    }

    @Override
    public void unmerge() {
        policy.unmerge();
    }
}
