package org.finetune4j.model;

/**
 * What a mixture of experts asks training to add to its loss, so that no expert is left without tokens (Fedus et al. 2022).
 *
 * @param experts number of experts of a layer
 * @param coefficient weight of the load-balancing loss ({@code router_aux_loss_coef})
 * @param inLoss whether it is part of the training loss ({@code output_router_logits})
 */
public record LoadBalancing(int experts, double coefficient, boolean inLoss) {

    /**
     * {@return what the configuration asks for; {@code coefficient} is the architecture's default}
     *
     * @param config of the model
     * @param experts in a layer
     * @param coefficient the architecture's default
     */
    public static LoadBalancing of(ModelConfig config, int experts, double coefficient) {
        return new LoadBalancing(
                experts,
                config.number("router_aux_loss_coef", coefficient),
                config.flag("output_router_logits", false));
    }
}
