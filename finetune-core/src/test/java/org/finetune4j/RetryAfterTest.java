package org.finetune4j;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class RetryAfterTest {

    @Test
    void aServerSaysInSecondsOrByADateWhenToAskAgain() {
        Instant now = Instant.parse("2026-03-04T05:06:07Z");
        assertEquals(Optional.of(Duration.ofSeconds(17)), RetryAfter.of("17", now));
        assertEquals(Optional.of(Duration.ofSeconds(33)), RetryAfter.of("Wed, 04 Mar 2026 05:06:40 GMT", now));
        assertEquals(Optional.of(Duration.ZERO), RetryAfter.of("Wed, 04 Mar 2026 05:00:00 GMT", now));
        assertEquals(Optional.empty(), RetryAfter.of("soon", now));
        assertEquals(Optional.empty(), RetryAfter.of("", now));
    }
}
