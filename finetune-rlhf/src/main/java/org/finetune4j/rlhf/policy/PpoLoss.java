package org.finetune4j.rlhf.policy;

import java.util.List;

/**
 * PPO's loss: the clipped loss of the policy, the mean over tokens, and that of the value head, the mean over positions.
 *
 * @param policy the range of a token's ratio
 * @param value the range of an estimate
 * @param valueCoefficient what the value head's loss is multiplied by
 */
public record PpoLoss(ClippedPolicyLoss policy, ClippedValueLoss value, double valueCoefficient) {

    /**
     * One answer. It has as many positions as tokens, or one more where its end is a position of its own.
     *
     * @param now log-probabilities of its tokens
     * @param drawn those when it was drawn
     * @param advantages of its tokens; numbers of further positions are not looked at
     * @param estimates what the value head says about its positions
     * @param before what the head said when the answer was drawn
     * @param returns what it should have said
     */
    public record Answer(
            double[] now, double[] drawn, double[] advantages, double[] estimates, double[] before, double[] returns) {

        /**
         * Fails where the arrays do not belong together.
         *
         * @param now log-probabilities of its tokens
         * @param drawn those when it was drawn
         * @param advantages of its tokens
         * @param estimates what the value head says about its positions
         * @param before what the head said when the answer was drawn
         * @param returns what it should have said
         */
        public Answer {
            Answers.requireSameLength(now, drawn);
            Answers.requireSameLength(estimates, before);
            Answers.requireSameLength(estimates, returns);
            if (advantages.length < now.length) {
                throw new IllegalArgumentException(advantages.length + " advantages of " + now.length + " tokens");
            }
        }
    }

    /**
     * The loss of some answers.
     *
     * @param loss of policy and value head together
     * @param policyLoss the policy's
     * @param valueLoss the value head's, without its coefficient
     * @param logprobDerivatives d(loss) / d(log-probability), an array an answer
     * @param estimateDerivatives d(loss) / d(estimate), an array an answer
     * @param clippedTokens tokens whose ratio is not seen
     * @param clippedPositions positions whose estimate is not seen
     */
    public record Value(
            double loss,
            double policyLoss,
            double valueLoss,
            double[][] logprobDerivatives,
            double[][] estimateDerivatives,
            long clippedTokens,
            long clippedPositions) {}

    /**
     * The loss of some answers as means over their own tokens and positions.
     *
     * @param answers at least one
     * @return the loss and its derivatives
     */
    public Value of(List<Answer> answers) {
        long tokens = answers.stream().mapToLong(answer -> answer.now().length).sum();
        long positions =
                answers.stream().mapToLong(answer -> answer.estimates().length).sum();
        return of(answers, 1.0 / Math.max(1, tokens), 1.0 / Math.max(1, positions));
    }

    /**
     * The part of some answers in the loss of a step that has more of them.
     *
     * @param answers some of the step's
     * @param tokenWeight 1 / tokens of the step
     * @param positionWeight 1 / positions of the step
     * @return the loss and its derivatives
     */
    public Value of(List<Answer> answers, double tokenWeight, double positionWeight) {
        double policySum = 0;
        double valueSum = 0;
        long clippedTokens = 0;
        long clippedPositions = 0;
        double[][] logprobs = new double[answers.size()][];
        double[][] estimates = new double[answers.size()][];
        for (int row = 0; row < answers.size(); row++) {
            Answer answer = answers.get(row);
            logprobs[row] = new double[answer.now().length];
            estimates[row] = new double[answer.estimates().length];
            for (int t = 0; t < logprobs[row].length; t++) {
                ClippedPolicyLoss.Value token = policy.of(answer.now()[t] - answer.drawn()[t], answer.advantages()[t]);
                policySum += token.loss();
                logprobs[row][t] = token.derivative() * tokenWeight;
                clippedTokens += token.clipped() ? 1 : 0;
            }
            for (int t = 0; t < estimates[row].length; t++) {
                ClippedValueLoss.Value position =
                        value.of(answer.estimates()[t], answer.before()[t], answer.returns()[t]);
                valueSum += position.loss();
                estimates[row][t] = position.derivative() * positionWeight * valueCoefficient;
                clippedPositions += position.clipped() ? 1 : 0;
            }
        }
        double policyLoss = policySum * tokenWeight;
        double valueLoss = valueSum * positionWeight;
        return new Value(
                policyLoss + valueCoefficient * valueLoss,
                policyLoss,
                valueLoss,
                logprobs,
                estimates,
                clippedTokens,
                clippedPositions);
    }
}
