package org.finetune4j.cli.advise;

import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A recommended training.
 *
 * @param method full, lora, or qlora (LoRA on weights of 4 bits)
 * @param settings keys of a configuration that {@code train} reads, without model and data
 * @param reasons one line each, the deciding one first
 * @param peakBytes of the device that needs most
 * @param duration of the whole training
 * @param mesh sizes for {@code launch --mesh}, or empty for one device
 */
public record Advice(
        String method,
        Map<String, Object> settings,
        List<String> reasons,
        long peakBytes,
        Duration duration,
        String mesh) {

    /**
     * Copies what could change.
     *
     * @param method full, lora, or qlora
     * @param settings keys of a configuration that {@code train} reads, without model and data
     * @param reasons one line each, the deciding one first
     * @param peakBytes of the device that needs most
     * @param duration of the whole training
     * @param mesh sizes for {@code launch --mesh}, or empty for one device
     */
    public Advice {
        settings = Collections.unmodifiableMap(new LinkedHashMap<>(settings));
        reasons = List.copyOf(reasons);
    }
}
