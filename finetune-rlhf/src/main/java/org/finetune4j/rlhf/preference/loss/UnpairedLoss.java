package org.finetune4j.rlhf.preference.loss;

/** The loss of one answer that was found good or bad. */
public interface UnpairedLoss {

    /**
     * The loss of one answer.
     *
     * @param answer the answer
     * @param desirable whether it was found good
     * @param divergence how far the model is from the reference on the batch, at least 0; a constant to the derivative
     * @return the loss and its derivative
     */
    Value of(Answer answer, boolean desirable, double divergence);

    /** {@return what a log-ratio is multiplied by to become a reward} */
    double beta();

    /** {@return whether the divergence counts, so that it has to be estimated} */
    boolean needsDivergence();

    /**
     * A loss and how it changes.
     *
     * @param loss of the answer
     * @param derivative d(loss) / d(logprob of the answer)
     */
    record Value(double loss, double derivative) {}
}
