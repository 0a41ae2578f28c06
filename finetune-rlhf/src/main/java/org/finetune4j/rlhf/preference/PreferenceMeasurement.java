package org.finetune4j.rlhf.preference;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.train.gradient.LogprobLoss;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.objective.Measurement;
import org.finetune4j.train.objective.Score;

/** Means over held-out preferences of what an objective sees of them: rewards, accuracies, margins. */
final class PreferenceMeasurement implements Measurement {

    /** By these the best model can be chosen. */
    static final List<Score> SCORES =
            List.of(new Score("rewards/accuracies", true), new Score("rewards/margins", true));

    private final ReferencedObjective objective;
    private final Map<String, Double> sums = new LinkedHashMap<>();
    private final Map<String, Double> counts = new LinkedHashMap<>();

    PreferenceMeasurement(ReferencedObjective objective) {
        this.objective = objective;
    }

    @Override
    public LossHead head(DecoderModel network, Batch batch) {
        Batch complete = objective.complete(batch);
        long count = objective.count(complete);
        return LogprobLoss.of(network, complete, 1, count, logprobs -> {
            objective.metrics(complete, logprobs).forEach((name, mean) -> {
                sums.merge(name, mean * count, Double::sum);
                counts.merge(name, (double) count, Double::sum);
            });
            return objective.loss(complete, logprobs);
        });
    }

    @Override
    public Map<String, Double> scores() {
        Map<String, Double> means = new LinkedHashMap<>();
        sums.forEach((name, sum) -> means.put(name, sum / counts.getOrDefault(name, 1.0)));
        return means;
    }
}
