package org.finetune4j.nn;

import java.util.HashMap;
import java.util.Map;
import org.finetune4j.tensor.Tensor;

/**
 * A mixture of experts with one more expert that all tokens are sent to, whose output a gate of its own weights (Yang et al. 2024,
 * arXiv:2407.10671).
 */
public final class SharedExpertMixture extends MixtureOfExperts {

    private final GatedFeedForward sharedExpert;
    private final Linear sharedGate;

    /**
     * Reads {@code gate}, {@code experts.i}, {@code shared_expert} and {@code shared_expert_gate}.
     *
     * @param weights where the parameters come from, below this module's name
     * @param hidden size of the hidden states
     * @param settings of the router
     * @param sharedInner size between the shared expert's projections
     * @param activation applied to the gates of experts
     * @param layer number of the layer in the model, from 0
     * @param init what a new model starts with
     */
    public SharedExpertMixture(
            Weights weights,
            long hidden,
            Settings settings,
            long sharedInner,
            Activation activation,
            int layer,
            Initialization init) {
        super(weights, hidden, settings, activation, layer, init);
        this.sharedExpert = child(
                "shared_expert",
                new GatedFeedForward(weights.at("shared_expert"), hidden, sharedInner, false, activation, init));
        this.sharedGate =
                child("shared_expert_gate", Linear.of(weights.at("shared_expert_gate"), hidden, 1, false, init));
    }

    @Override
    public Map<String, DividedFeatures> dividedFeatures() {
        Map<String, DividedFeatures> divided = new HashMap<>(super.dividedFeatures());
        divided.put("shared_expert_gate", DividedFeatures.nothing());
        return divided;
    }

    @Override
    public Tensor forward(Tensor x, SequenceContext context) {
        Tensor share = sharedGate.forward(x, context).sigmoid(); // [batch, seq, 1]
        return super.forward(x, context).add(sharedExpert.forward(x, context).mul(share));
    }
}
