package org.finetune4j.rlhf.reward;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.objective.Measurement;
import org.finetune4j.train.objective.Score;
import org.finetune4j.train.objective.ScoreTable;

/** How a reward model judges held-out pairs: how often it prefers what people chose, by what margin, and whether it is as sure as it is right. */
final class PairwiseMeasurement implements Measurement {

    /** The scores of held-out pairs, and whether more of each is better. */
    static final List<Score> SCORES = List.of(
            new Score("accuracy", true),
            new Score("margin", true),
            new Score("calibration_error", false),
            new Score("chosen_reward", true),
            new Score("rejected_reward", false));

    private final BradleyTerry objective;
    private final Calibration calibration = new Calibration();
    private double chosen;
    private double rejected;
    private long right;
    private long pairs;

    PairwiseMeasurement(BradleyTerry objective) {
        this.objective = objective;
    }

    @Override
    public LossHead head(DecoderModel network, Batch batch) {
        return objective.head(network, batch, 1, this::add);
    }

    private void add(float[] rewards) {
        for (int i = 0; i < rewards.length; i += 2) {
            double better = rewards[i];
            double worse = rewards[i + 1];
            chosen += better;
            rejected += worse;
            right += better > worse ? 1 : 0;
            pairs++;
            calibration.add(better - worse);
        }
    }

    @Override
    public Map<String, Double> scores() {
        Map<String, Double> scores = new LinkedHashMap<>();
        double count = Math.max(1, pairs);
        scores.put("accuracy", right / count);
        scores.put("margin", (chosen - rejected) / count);
        scores.put("calibration_error", calibration.expectedError());
        scores.put("chosen_reward", chosen / count);
        scores.put("rejected_reward", rejected / count);
        return scores;
    }

    @Override
    public List<ScoreTable> tables() {
        List<ScoreTable> tables = new ArrayList<>();
        tables.add(calibration.table());
        return tables;
    }
}
