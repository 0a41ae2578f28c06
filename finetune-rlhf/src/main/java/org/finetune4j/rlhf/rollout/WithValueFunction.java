package org.finetune4j.rlhf.rollout;

import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.DeltaKind;
import org.finetune4j.strategy.FineTuningStrategy;
import org.jspecify.annotations.Nullable;

/**
 * A method for a policy, and beside it a value function for PPO.
 *
 * @param policy the method
 * @param ownTrunk whether the value head has an adapter of the same method for itself
 */
record WithValueFunction(FineTuningStrategy policy, boolean ownTrunk) implements FineTuningStrategy {

    @Override
    public String method() {
        return policy.method();
    }

    @Override
    public DeltaKind deltaKind() {
        return policy.deltaKind();
    }

    @Override
    public Map<String, Object> settings() {
        return policy.settings();
    }

    @Override
    public AttachedStrategy attach(CausalLM model) {
        return completed(model, policy.attach(model));
    }

    @Override
    public AttachedStrategy attach(CausalLM model, Iterable<Batch> batches) {
        return completed(model, policy.attach(model, batches));
    }

    private AttachedStrategy completed(CausalLM model, AttachedStrategy attached) {
        try {
            Adapter adapter = attached instanceof Adapter own ? own : null;
            Adapter trunk = ownTrunk ? trunk(model, adapter) : null;
            ValueFunction values = new ValueFunction(model, adapter, trunk);
            return adapter == null ? new ActorCritic(attached, values) : new ActorCriticAdapter(adapter, values);
        } catch (RuntimeException | Error e) {
            attached.close();
            throw e;
        }
    }

    private Adapter trunk(CausalLM model, @Nullable Adapter adapter) {
        if (adapter == null) {
            throw new UserErrorException("value_adapter needs a method that makes an adapter, such as method: lora; '"
                    + method() + "' makes none");
        }
        adapter.disable();
        try {
            Adapter trunk = (Adapter) policy.attach(model);
            trunk.disable();
            trunk.trainableParameters().forEach(parameter -> parameter.rename("value." + parameter.name()));
            return trunk;
        } finally {
            adapter.enable();
        }
    }
}
