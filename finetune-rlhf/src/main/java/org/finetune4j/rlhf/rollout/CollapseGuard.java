package org.finetune4j.rlhf.rollout;

import java.util.Locale;
import java.util.Optional;
import org.finetune4j.train.steps.SourceState;

/** Watches for the signs by which policies collapse: a reward that rises far from the reference, no entropy, answers of one kind. */
final class CollapseGuard {

    private static final String FIRST_REWARD = "collapse/first_reward";
    private static final String FAR = "collapse/far";
    private static final String DECIDED = "collapse/decided";
    private static final String IDENTICAL = "collapse/identical";

    private final CollapseLimits limits;
    private double firstReward = Double.NaN;
    private int far;
    private int decided;
    private int identical;

    CollapseGuard(CollapseLimits limits) {
        this.limits = limits;
    }

    /**
     * Looks at a round.
     *
     * @param reward the mean reward
     * @param kl nats that an answer is from the reference in the mean; NaN where that is not known
     * @param entropy nats of entropy at a token in the mean; NaN where that is not known
     * @param oneAnswer whether all answers are the same, to prompts that are not
     */
    void consider(double reward, double kl, double entropy, boolean oneAnswer) {
        firstReward = Double.isNaN(firstReward) ? reward : firstReward;
        if (!Double.isNaN(kl)) {
            far = limits.maxKl() > 0 && kl > limits.maxKl() && reward > firstReward ? far + 1 : 0;
        }
        if (!Double.isNaN(entropy)) {
            decided = entropy < limits.minEntropy() ? decided + 1 : 0;
        }
        identical = limits.identicalAnswers() && oneAnswer ? identical + 1 : 0;
    }

    /** The sign that was seen for too long, in one line. */
    Optional<String> sign() {
        String rounds = " for " + limits.patience() + (limits.patience() == 1 ? " round" : " rounds in a row");
        if (far >= limits.patience()) {
            return Optional.of("the reward rises while answers are more than " + text(limits.maxKl())
                    + " nats from the reference" + rounds + " (max_kl)");
        }
        if (decided >= limits.patience()) {
            return Optional.of("the entropy is below " + text(limits.minEntropy()) + " nats a token" + rounds
                    + " (min_entropy): the policy draws the same answers only");
        }
        if (identical >= limits.patience()) {
            return Optional.of(
                    "all answers are the same whatever the prompt" + rounds + " (stop_on_identical_answers)");
        }
        return Optional.empty();
    }

    private static String text(double limit) {
        return String.format(Locale.ROOT, "%s", limit);
    }

    void save(SourceState state) {
        state.with(FIRST_REWARD, firstReward)
                .with(FAR, far)
                .with(DECIDED, decided)
                .with(IDENTICAL, identical);
    }

    void restore(SourceState state) {
        firstReward = state.number(FIRST_REWARD);
        far = (int) state.natural(FAR, Integer.MAX_VALUE);
        decided = (int) state.natural(DECIDED, Integer.MAX_VALUE);
        identical = (int) state.natural(IDENTICAL, Integer.MAX_VALUE);
    }
}
