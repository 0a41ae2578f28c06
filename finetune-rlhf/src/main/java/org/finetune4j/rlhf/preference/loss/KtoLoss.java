package org.finetune4j.rlhf.preference.loss;

import org.finetune4j.UserErrorException;

/**
 * KTO (Ethayarajh et al. 2024): a good answer costs {@code 1 - sigmoid(beta (r - z))}, a bad one
 * {@code 1 - sigmoid(beta (z - r))}, with its log-ratio r and the divergence z of the model from the reference.
 *
 * @param beta how much a log-ratio counts
 * @param desirableWeight what the losses of good answers are multiplied by
 * @param undesirableWeight what the losses of bad answers are multiplied by
 */
public record KtoLoss(double beta, double desirableWeight, double undesirableWeight) implements UnpairedLoss {

    /**
     * Checks the settings.
     *
     * @param beta above 0
     * @param desirableWeight at least 0
     * @param undesirableWeight at least 0
     * @throws UserErrorException when a setting is out of its range
     */
    public KtoLoss {
        LossSettings.requireBeta(beta);
        if (!(desirableWeight >= 0 && undesirableWeight >= 0)) {
            throw new UserErrorException("desirable_weight is " + desirableWeight + " and undesirable_weight "
                    + undesirableWeight + ", expected numbers of at least 0");
        }
    }

    @Override
    public Value of(Answer answer, boolean desirable, double divergence) {
        double x = beta * (desirable ? divergence - answer.ratio() : answer.ratio() - divergence);
        double weight = desirable ? desirableWeight : undesirableWeight;
        return new Value(weight * Logistic.sigmoid(x), (desirable ? -weight : weight) * beta * Logistic.slope(x));
    }

    @Override
    public boolean needsDivergence() {
        return true;
    }
}
