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

    public MergeSettings {
        weights = weights.clone();
        Inputs.checkDensity(density);
        Inputs.checkFactors("weights", weights);
        Inputs.checkFactors("lambda", lambda);
        Inputs.checkFactors("t", t);
    }

    /** These weights, nothing dropped. */
    public static MergeSettings of(double... weights) {
        return new MergeSettings(weights, 1, MajoritySign.TOTAL, 1, 0.5, 0);
    }

    @Override
    public double[] weights() {
        return weights.clone();
    }
}
