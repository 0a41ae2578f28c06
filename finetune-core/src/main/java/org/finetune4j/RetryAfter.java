package org.finetune4j;

import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Optional;

/** HTTP's {@code Retry-After} (RFC 9110, section 10.2.3): how long a server asks to be left alone. */
public final class RetryAfter {

    private RetryAfter() {}

    /**
     * {@return what an answer asks for, in seconds or until a date; empty where it says neither}
     *
     * @param response any answer
     */
    public static Optional<Duration> of(HttpResponse<?> response) {
        return of(response.headers().firstValue("Retry-After").orElse("").strip(), Instant.now());
    }

    static Optional<Duration> of(String header, Instant now) {
        if (header.matches("\\d{1,9}")) {
            return Optional.of(Duration.ofSeconds(Long.parseLong(header)));
        }
        try {
            Instant until = DateTimeFormatter.RFC_1123_DATE_TIME.parse(header, Instant::from);
            Duration left = Duration.between(now, until);
            return Optional.of(left.isNegative() ? Duration.ZERO : left);
        } catch (DateTimeParseException e) {
            return Optional.empty();
        }
    }
}
