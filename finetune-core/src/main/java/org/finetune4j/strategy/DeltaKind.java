package org.finetune4j.strategy;

import java.util.Locale;

/**
 * In what way a method changes a model. Every method is an instance of {@code theta_new = theta_base + delta}; they differ in
 * where the delta may lie. The kinds are those of Ding et al. 2022 ("Delta Tuning", arXiv:2203.06904).
 */
public enum DeltaKind {

    /**
     * New parameters beside the base's: networks after a block, scales of activations, virtual tokens. In the base's own
     * weights the delta is zero.
     */
    ADDITION,

    /** Some of the base's own parameters train, and no others: the delta is zero outside of them. */
    SPECIFICATION,

    /** The delta of a weight is a function of fewer parameters, such as a product of two small matrices. */
    REPARAMETERISATION;

    /** {@return how reports and tables call it} */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
