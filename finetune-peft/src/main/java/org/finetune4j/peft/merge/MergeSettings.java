package org.finetune4j.peft.merge;

/**
 * How strongly models are merged.
 *
 * @param weights of the models, in their order
 * @param density share of a task vector's values that stay, for the methods that drop some
 * @param majoritySign how TIES elects a sign
 * @param lambda what the merged task vector is multiplied by
 * @param t the place between two models, for SLERP: 0 is the first, 1 the second
 * @param seed of the values that DARE drops
 */
public record MergeSettings(
        double[] weights, double density, MajoritySign majoritySign, double lambda, double t, long seed) {

    /**
     * Checks the numbers and keeps a copy of the weights.
     *
     * @param weights of the models, in their order
     * @param density share of a task vector's values that stay, for the methods that drop some; above 0 and at most 1
     * @param majoritySign how TIES elects a sign
     * @param lambda what the merged task vector is multiplied by
     * @param t the place between two models, for SLERP: 0 is the first, 1 the second
     * @param seed of the values that DARE drops
     * @throws org.finetune4j.UserErrorException when float32 cannot hold a number, or the density is out of its range
     */
    public MergeSettings {
        weights = weights.clone();
        Inputs.checkDensity(density);
        Inputs.checkFactors("weights", weights);
        Inputs.checkFactors("lambda", lambda);
        Inputs.checkFactors("t", t);
    }

    /**
     * {@return settings with these weights, nothing dropped}
     *
     * @param weights of the models, in their order
     */
    public static MergeSettings of(double... weights) {
        return new MergeSettings(weights, 1, MajoritySign.TOTAL, 1, 0.5, 0);
    }

    /** {@return a copy of the weights} */
    @Override
    public double[] weights() {
        return weights.clone();
    }
}
