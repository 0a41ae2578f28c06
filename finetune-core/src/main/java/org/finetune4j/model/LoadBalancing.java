package org.finetune4j.model;

/**
 * What a mixture of experts asks training to add to its loss: a balance, so that no expert is left without tokens (Fedus et al.
 * 2022), and a penalty of large router logits (Zoph et al. 2022).
 *
 * @param experts number of experts of a layer
 * @param coefficient weight of the load-balancing loss ({@code router_aux_loss_coef})
 * @param zCoefficient weight of the router z-loss ({@code router_z_loss_coef})
 * @param inLoss whether they are part of the training loss ({@code output_router_logits})
 */
public record LoadBalancing(int experts, double coefficient, double zCoefficient, boolean inLoss) {

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
                0,
                config.flag("output_router_logits", false));
    }

    /**
     * {@return the same experts with losses that a training asks for, whatever the configuration says}
     *
     * @param balance weight of the load-balancing loss, 0 for none
     * @param z weight of the router z-loss, 0 for none
     */
    public LoadBalancing inTraining(double balance, double z) {
        return new LoadBalancing(experts, balance, z, true);
    }

    /** {@return whether training adds something to its loss} Then a token counts as often as it goes through the routers. */
    public boolean addsToLoss() {
        return inLoss && (coefficient != 0 || zCoefficient != 0);
    }
}
