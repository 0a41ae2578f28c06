package org.finetune4j.verify;

import java.util.Map;
import java.util.TreeMap;
import java.util.function.DoubleSupplier;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadBalancing;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.gradient.LoadBalancingLoss;
import org.jspecify.annotations.Nullable;

/** Recomputes what the routers of a mixture of experts did with a batch. */
final class RouterChecks {

    private final CausalLM model;
    private final Tolerances tolerances;

    RouterChecks(CausalLM model, Tolerances tolerances) {
        this.model = model;
        this.tolerances = tolerances;
    }

    /** Compares the scores that layer {@code layer}'s router gave every token, [batch * seq, experts]. */
    Check logits(String name, int layer, GoldenFile golden) {
        Map<Integer, Tensor> logits = new TreeMap<>();
        ModelInputs inputs = golden.inputs("");
        SequenceContext context = model.context(inputs)
                .withRouterListener((index, scores, probabilities, chosen) ->
                        logits.put(index, scores.detach().unscoped()));
        model.hiddenStates(inputs, context);
        try {
            Tensor actual = logits.get(layer);
            if (actual == null) {
                return Check.failed(name, "layer " + layer + " has no router");
            }
            return GoldenVerifier.compareWhereReal(
                    name, actual, golden.tensor(name), golden.batch("").attentionMask(), tolerances.logits());
        } finally {
            logits.values().forEach(Tensor::close);
        }
    }

    /** Compares the load-balancing loss. */
    Check auxiliaryLoss(String name, GoldenFile golden) {
        LoadBalancingLoss balance = balance(golden);
        return balance == null ? Check.failed(name, "this model has no routers") : loss(name, golden, balance.value());
    }

    /** Compares the loss that training sees when the configuration asks for the extra loss. */
    Check lossWithAuxiliary(String name, GoldenFile golden, DoubleSupplier languageModelLoss) {
        LoadBalancingLoss balance = balance(golden);
        return balance == null
                ? Check.failed(name, "this model has no routers")
                : loss(name, golden, languageModelLoss.getAsDouble() + balance.weighted());
    }

    private Check loss(String name, GoldenFile golden, double actual) {
        return Check.within(name, Math.abs(actual - golden.tensor(name).item()), tolerances.loss(), "");
    }

    private @Nullable LoadBalancingLoss balance(GoldenFile golden) {
        LoadBalancing settings = model.network().loadBalancing();
        if (settings == null) {
            return null;
        }
        ModelInputs inputs = golden.inputs("");
        try (TensorScope scope = TensorScope.open()) {
            LoadBalancingLoss balance = new LoadBalancingLoss(settings, inputs, model.device());
            model.hiddenStates(inputs, model.context(inputs).withRouterListener(balance));
            return balance;
        }
    }
}
