package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.steps.StepBatches;

/**
 * Fine-tuning on the best of n answers (rejection sampling, Touvron et al. 2023, arXiv:2307.09288, 3.2.3): each prompt's best answer is
 * learned, unless it is below a threshold.
 */
final class RejectionSampling implements PolicyAlgorithm {

    private final double threshold;
    private final AnswerBatches batches;
    private final Objective objective = new CrossEntropy(LossOptions.crossEntropy());

    /** @param threshold rewards below it are not learned; negative infinity for none */
    RejectionSampling(double threshold, AnswerBatches batches) {
        this.threshold = threshold;
        this.batches = batches;
    }

    @Override
    public Lesson prepare(ScoredRound round) {
        List<TrainedAnswer> best = new ArrayList<>();
        double sum = 0;
        for (int start = 0; start < round.episodes().size(); start += round.groupSize()) {
            int chosen = start;
            for (int i = start; i < start + round.groupSize(); i++) {
                chosen = round.rewards()[i] > round.rewards()[chosen] ? i : chosen;
            }
            if (round.rewards()[chosen] >= threshold) {
                best.add(TrainedAnswer.of(round.episodes().get(chosen)));
                sum += round.rewards()[chosen];
            }
        }
        Map<String, Double> metrics = new LinkedHashMap<>();
        metrics.put(
                "accepted",
                (double) best.size() * round.groupSize() / round.episodes().size());
        metrics.put("reward_accepted", best.isEmpty() ? Double.NaN : sum / best.size());
        return new Lesson(best, 1, metrics);
    }

    @Override
    public StepBatches step(List<TrainedAnswer> answers) {
        return StepBatches.of(batches.of(answers), objective);
    }

    @Override
    public String fingerprint() {
        return "best of n above " + threshold;
    }
}
