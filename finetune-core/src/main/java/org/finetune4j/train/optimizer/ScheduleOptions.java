package org.finetune4j.train.optimizer;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/**
 * The settings of one schedule, {@code lr_scheduler_kwargs} in configurations.
 *
 * @param values numbers and texts by name
 * @param learningRate the run's base learning rate, by which settings that are learning rates are divided
 */
public record ScheduleOptions(Map<String, String> values, double learningRate) {

    /**
     * Copies the settings.
     *
     * @param values numbers and texts by name
     * @param learningRate the run's base learning rate, by which settings that are learning rates are divided
     */
    public ScheduleOptions {
        values = Map.copyOf(new LinkedHashMap<>(values));
    }

    /**
     * No settings: every schedule has its defaults.
     *
     * @return the options
     */
    public static ScheduleOptions none() {
        return new ScheduleOptions(Map.of(), 1);
    }

    double number(String key, double fallback) {
        String text = values.get(key);
        try {
            double number = text == null ? fallback : Double.parseDouble(text);
            if (Settings.isCalculable(number)) {
                return number;
            }
        } catch (NumberFormatException e) {
            // said below
        }
        throw new UserErrorException(
                "lr_scheduler_kwargs: '" + key + "' is " + text + ", expected a number that a float32 can hold");
    }

    String text(String key, String fallback) {
        return values.getOrDefault(key, fallback);
    }

    /** A setting that is a learning rate, as a share of the base one. */
    double share(String key, double fallback) {
        return learningRate > 0 ? number(key, fallback) / learningRate : 0;
    }

    void allow(String schedule, Set<String> allowed) {
        for (String key : values.keySet()) {
            if (!allowed.contains(key)) {
                throw new UserErrorException("lr_scheduler_kwargs: " + schedule + " has no '" + key + "'"
                        + (allowed.isEmpty() ? ": it has none" : Suggestions.didYouMean(key, allowed)));
            }
        }
    }
}
