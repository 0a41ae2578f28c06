package org.finetune4j.rlhf.http;

import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** An answer of a service that cannot be used. */
public final class UnusableAnswerException extends Exception {

    private static final long serialVersionUID = 1;

    private final boolean worthAnotherTry;
    private final @Nullable Duration wishedPause;

    /**
     * An answer that cannot be used.
     *
     * @param message what is wrong with it
     * @param worthAnotherTry whether the next one may be better
     */
    public UnusableAnswerException(String message, boolean worthAnotherTry) {
        this(message, worthAnotherTry, null);
    }

    /** @param wishedPause how long the service asks to be left alone, or null */
    UnusableAnswerException(String message, boolean worthAnotherTry, @Nullable Duration wishedPause) {
        super(message);
        this.worthAnotherTry = worthAnotherTry;
        this.wishedPause = wishedPause;
    }

    boolean isWorthAnotherTry() {
        return worthAnotherTry;
    }

    /** How long the service asks to be left alone, where it does. */
    Optional<Duration> wishedPause() {
        return Optional.ofNullable(wishedPause);
    }
}
