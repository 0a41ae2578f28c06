package org.finetune4j.rlhf.preference.loss;

/**
 * A loss of the difference of two answers under another divergence from the reference. Rewards stay what they are by the log-ratios.
 *
 * @param loss is given scores in the place of log-ratios
 * @param divergence makes scores of log-ratios
 */
public record DivergenceLoss(PairLoss loss, Divergence divergence) implements PairLoss {

    @Override
    public double beta() {
        return loss.beta();
    }

    @Override
    public Value of(Answer chosen, Answer rejected) {
        Value value = loss.of(scored(chosen), scored(rejected));
        return new Value(
                value.loss(),
                value.chosen() * divergence.slope(chosen.ratio()),
                value.rejected() * divergence.slope(rejected.ratio()));
    }

    private Answer scored(Answer answer) {
        return new Answer(divergence.score(answer.ratio()), 0, answer.tokens());
    }
}
