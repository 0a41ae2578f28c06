package org.finetune4j.rlhf.preference.loss;

import java.util.List;

/** The loss of a pair of answers to one prompt, of which the first was preferred. */
public interface PairLoss {

    /**
     * The loss of one pair.
     *
     * @param chosen the preferred answer
     * @param rejected the other one
     * @return the loss and its derivatives
     */
    Value of(Answer chosen, Answer rejected);

    /**
     * Two answers to one prompt.
     *
     * @param chosen the preferred one
     * @param rejected the other one
     */
    record Pair(Answer chosen, Answer rejected) {}

    /**
     * The losses of a batch.
     *
     * @param pairs of one batch
     * @return a loss for each of them, with the derivatives of all losses by its own two answers
     */
    default List<Value> ofAll(List<Pair> pairs) {
        return pairs.stream().map(pair -> of(pair.chosen, pair.rejected)).toList();
    }

    /** {@return whether a pair's loss depends on the other pairs of its batch} */
    default boolean comparesPairs() {
        return false;
    }

    /** {@return what a log-ratio is multiplied by to become a reward} */
    double beta();

    /** {@return whether answers are compared, and rewarded, by what a token of theirs has on average} */
    default boolean averages() {
        return false;
    }

    /**
     * The reward that the model gives to an answer, without knowing it (Rafailov et al. 2023).
     *
     * @param answer either of a pair
     * @return {@code beta} times its log-ratio
     */
    default double reward(Answer answer) {
        return beta() * (averages() ? answer.averageRatio() : answer.ratio());
    }

    /**
     * A loss and how it changes.
     *
     * @param loss of the pair
     * @param chosen d(loss) / d(logprob of the chosen answer)
     * @param rejected d(loss) / d(logprob of the rejected answer)
     */
    record Value(double loss, double chosen, double rejected) {

        /** A function of the difference of the answers' log-ratios. */
        static Value ofDifference(double loss, double derivative) {
            return new Value(loss, derivative, -derivative);
        }
    }
}
