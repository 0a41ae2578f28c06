package org.finetune4j.peft.auto;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.Settings;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;

/**
 * One way to fine-tune, in the words of a configuration.
 *
 * @param name unlike the others', fit for a directory
 * @param settings the method, its settings and the learning rate by their keys
 */
public record Candidate(String name, Map<String, Object> settings) {

    static final String METHOD = "method";
    static final String LEARNING_RATE = "learning_rate";

    /**
     * Copies the settings.
     *
     * @param name unlike the others', fit for a directory
     * @param settings the method, its settings and the learning rate by their keys
     */
    public Candidate {
        Objects.requireNonNull(name, "name");
        settings = Collections.unmodifiableMap(new LinkedHashMap<>(settings));
    }

    /**
     * The method's name.
     *
     * @return as configurations name it
     */
    public String method() {
        return String.valueOf(settings.getOrDefault(METHOD, "lora"));
    }

    /**
     * The method with these settings.
     *
     * @return made anew with every call
     * @throws org.finetune4j.UserErrorException when the method is unknown or a setting cannot be used
     */
    public FineTuningStrategy strategy() {
        return FineTuningMethod.named(method()).create(new Settings("candidate " + name, settings));
    }

    /**
     * The learning rate.
     *
     * @return that of the settings, or the method's own
     */
    public double learningRate() {
        return new Settings("candidate " + name, settings)
                .number(LEARNING_RATE, strategy().defaultLearningRate());
    }

    /**
     * What makes it unlike others, for tables.
     *
     * @return the settings in one line
     */
    public String describe() {
        StringBuilder text = new StringBuilder(method());
        settings.forEach((key, value) -> {
            if (!key.equals(METHOD)) {
                text.append(", ").append(key).append(' ').append(value);
            }
        });
        return text.toString();
    }
}
