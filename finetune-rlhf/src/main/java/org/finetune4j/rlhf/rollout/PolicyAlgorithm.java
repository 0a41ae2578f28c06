package org.finetune4j.rlhf.rollout;

import java.util.List;
import java.util.Map;
import org.finetune4j.train.steps.SourceState;
import org.finetune4j.train.steps.StepBatches;

/** What is learned from the answers of a round, and how. */
interface PolicyAlgorithm {

    /**
     * Answers as they are learned from.
     *
     * @param answers with the numbers that the steps need; a multiple of {@code unit}, or none where nothing is to be learned
     * @param unit answers that stay together
     * @param metrics what is worth reporting of the round
     */
    record Lesson(List<TrainedAnswer> answers, int unit, Map<String, Double> metrics) {}

    /** Looks at a round. It changes nothing that {@link #save} keeps. */
    Lesson prepare(ScoredRound round);

    /** Takes over what a round has changed, such as the price of a nat. */
    default void accept(Lesson lesson) {}

    /**
     * The batches of one step.
     *
     * @param answers some of a lesson's
     */
    StepBatches step(List<TrainedAnswer> answers);

    /** Brings the model back to where it answers, after the batches of a step. */
    default void afterStep() {}

    /** What must be the same for a resumed run. */
    String fingerprint();

    default void save(SourceState state) {}

    default void restore(SourceState state) {}
}
