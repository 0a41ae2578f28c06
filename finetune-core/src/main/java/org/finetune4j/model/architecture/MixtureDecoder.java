package org.finetune4j.model.architecture;

import org.finetune4j.model.LoadBalancing;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.nn.Norm;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.Weights;

/** A {@link RotaryDecoder} with mixtures of experts, whose training balances what the routers send to each. */
abstract class MixtureDecoder extends RotaryDecoder {

    private final LoadBalancing loadBalancing;

    /**
     * @param experts of a mixture
     * @param balance weight of the load-balancing loss where the configuration says none
     */
    MixtureDecoder(
            ModelConfig config,
            DecoderShape shape,
            Weights weights,
            LayerTypes types,
            RotaryEmbedding rotary,
            Norm.Factory norms,
            int experts,
            double balance,
            LayerFactory factory) {
        super(config, shape, weights, types, rotary, norms, factory);
        this.loadBalancing = LoadBalancing.of(config, experts, balance);
    }

    @Override
    protected final LoadBalancing configuredBalancing() {
        return loadBalancing;
    }
}
