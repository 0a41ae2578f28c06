package org.finetune4j.model.hub;

import java.time.Duration;
import org.finetune4j.FinetuneException;

/** How one waits, before another try and for an answer; tests do not, or not as long. */
@FunctionalInterface
interface Waiting {

    /** Really waits. */
    Waiting SLEEP = duration -> {
        try {
            Thread.sleep(duration.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while waiting for the hub", e);
        }
    };

    void pause(Duration duration);

    /** How long an answer may take to begin, when nothing is sent. */
    default Duration forAnswer() {
        return Duration.ofSeconds(60);
    }
}
