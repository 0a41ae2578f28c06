package org.finetune4j.rlhf.rollout;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.train.gradient.Average;

/** What the losses of a step saw, added up over its batches. */
final class StepStatistics {

    private final Map<String, Average> averages = new LinkedHashMap<>();

    void add(String name, double sum, double count) {
        averages.merge(name, new Average(sum, count), Average::plus);
    }

    Map<String, Double> means() {
        return Average.means(averages);
    }
}
