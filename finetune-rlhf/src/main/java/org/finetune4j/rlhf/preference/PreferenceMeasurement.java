package org.finetune4j.rlhf.preference;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.LogprobLoss;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.objective.Measurement;
import org.finetune4j.train.objective.Score;

/** Means over held-out preferences of what an objective sees of them: rewards, accuracies, margins. */
final class PreferenceMeasurement implements Measurement {

    private static final String CHOSEN = "rewards/chosen";
    private static final String REJECTED = "rewards/rejected";
    private static final String MARGINS = "rewards/margins";

    /** By this the best model can be chosen, whatever it learns from. */
    static final List<Score> UNPAIRED = List.of(new Score(MARGINS, true));

    /** By these where it learns from pairs. */
    static final List<Score> PAIRED = List.of(new Score("rewards/accuracies", true), new Score(MARGINS, true));

    private final ReferencedObjective objective;
    private final Map<String, Average> seen = new LinkedHashMap<>();

    PreferenceMeasurement(ReferencedObjective objective) {
        this.objective = objective;
    }

    @Override
    public LossHead head(DecoderModel network, Batch batch) {
        Batch complete = objective.complete(batch);
        return LogprobLoss.of(
                network, complete, 1, objective.count(complete), objective.readsCollisions(), logprobs -> {
                    LogprobLoss.Value value = objective.loss(complete, logprobs);
                    Average.addAll(seen, value.metrics());
                    return value;
                });
    }

    @Override
    public Map<String, Double> scores() {
        Map<String, Double> means = Average.means(seen);
        margin(means);
        return means;
    }

    /** Adds the difference of the mean rewards, where there are both. */
    static void margin(Map<String, Double> means) {
        Double chosen = means.get(CHOSEN);
        Double rejected = means.get(REJECTED);
        if (chosen != null && rejected != null) {
            means.put(MARGINS, chosen - rejected);
        }
    }
}
