package org.finetune4j.cli.advise;

import java.util.Objects;
import org.finetune4j.dist.plan.Cluster;
import org.finetune4j.model.ModelConfig;

/**
 * What somebody has and wants.
 *
 * @param model what its config.json says
 * @param records to learn from
 * @param tokensPerRecord the length of a long one, prompt and answer; longer ones are cut
 * @param tasks that are to be answered apart by one base model
 * @param devices what the training may run on
 * @param lowLatency whether answers must come as fast as the base's
 * @param highAccuracy whether the best score counts more than memory and time
 */
public record Situation(
        ModelConfig model,
        long records,
        int tokensPerRecord,
        int tasks,
        Cluster devices,
        boolean lowLatency,
        boolean highAccuracy) {

    /**
     * Checks the numbers.
     *
     * @param model what its config.json says
     * @param records to learn from, at least 1
     * @param tokensPerRecord the length of a long one, at least 1
     * @param tasks at least 1
     * @param devices what the training may run on
     * @param lowLatency whether answers must come as fast as the base's
     * @param highAccuracy whether the best score counts more than memory and time
     * @throws IllegalArgumentException when a number is below 1
     */
    public Situation {
        Objects.requireNonNull(model, "model");
        Objects.requireNonNull(devices, "devices");
        if (records < 1 || tokensPerRecord < 1 || tasks < 1) {
            throw new IllegalArgumentException("records, tokens and tasks are at least 1");
        }
    }

    /** {@return whether there is enough data to move all weights without learning it by heart} */
    boolean hasMuchData() {
        return records >= Advisor.MUCH_DATA;
    }
}
