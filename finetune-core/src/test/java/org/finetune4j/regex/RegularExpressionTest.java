package org.finetune4j.regex;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class RegularExpressionTest {

    private static final String PATH = "model.layers.10.self_attn.q_proj";

    /** What Python says of every pattern: an error, or three bits a text for fullmatch, search and match. */
    static Stream<Arguments> pythonsResults() throws IOException {
        try (InputStream file = RegularExpressionTest.class.getResourceAsStream("/regex/python.json")) {
            JsonNode recorded = TestJson.read(Objects.requireNonNull(file));
            List<String> inputs = new ArrayList<>();
            recorded.get("inputs").forEach(input -> inputs.add(input.asText()));
            List<Arguments> all = new ArrayList<>();
            recorded.get("patterns")
                    .forEach(entry -> all.add(Arguments.of(
                            entry.get("pattern").asText(), entry.path("results").asText(""), inputs)));
            return all.stream();
        }
    }

    @ParameterizedTest(name = "{index}: {0}")
    @MethodSource("pythonsResults")
    void matchesWhatPythonMatches(String pattern, String results, List<String> inputs) {
        if (results.isEmpty()) {
            UserErrorException error =
                    assertThrows(UserErrorException.class, () -> RegularExpression.compile("target_modules", pattern));
            assertTrue(error.getMessage().startsWith("target_modules: '"), error.getMessage());
            return;
        }
        RegularExpression expression = RegularExpression.compile("target_modules", pattern);
        StringBuilder ours = new StringBuilder();
        for (String input : inputs) {
            int bits = (expression.fullMatch(input) ? 1 : 0)
                    | (expression.search(input) ? 2 : 0)
                    | (expression.match(input) ? 4 : 0);
            ours.append(bits);
        }
        assertEquals(results, ours.toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "(?:(?:[\\w.]+)*)*$!",
                "(a|aa|[\\w.])*!",
                "([\\w.]+)+([\\w.]+)+([\\w.]+)+!",
                ".*.*.*.*.*.*.*.*.*.*.*.*.*!",
                "(?=m)(?:[\\w.]|[\\w.])+!",
                "(?=m).*.*.*.*.*.*.*.*.*.*.*.*!",
                "(?!x)([\\w.]+[\\w.]+)+!",
                "(m)?\\1?(?:[\\w.]+[\\w.])+!",
                "(?:(?:[\\w.]?){30}){30}!",
                "(?<!x)(?:[\\w.]?[\\w.]?){400}!",
            })
    void endsWithinItsSteps(String pattern) {
        assertTimeoutPreemptively(Duration.ofSeconds(30), () -> {
            try {
                assertFalse(RegularExpression.compile("rank_pattern", pattern).fullMatch(PATH.repeat(10)));
            } catch (UserErrorException e) {
                assertTrue(e.getMessage().matches(".*(100000 steps|may match nothing is repeated).*"), e.getMessage());
            }
        });
    }

    static Stream<String> expressionsWithoutBounds() {
        return Stream.of(
                "((((a{1000}){1000}){1000}){1000})",
                "(?:x{100}){200}",
                "x{1001}",
                "x{99999999999999}",
                "(?=a)(?:|){40}b",
                "(?=a)(?:a|)*b",
                "(?=a)(?:|)b(?:|)(?:|)(?:|)",
                "(a?)*\\1",
                "(?x) a b", // not supported
                "(".repeat(5000) + ")".repeat(5000),
                "[".repeat(50_000),
                "a".repeat(2_000_000),
                "(?:".repeat(5000));
    }

    @ParameterizedTest
    @MethodSource("expressionsWithoutBounds")
    void refusesWhatCannotBeMatchedWithinBounds(String pattern) {
        UserErrorException error =
                assertThrows(UserErrorException.class, () -> RegularExpression.compile("target_modules", pattern));
        assertTrue(error.getMessage().length() < 500, error.getMessage());
    }

    @Test
    void namedGroupsHoldWhatPythonsHold() {
        RegularExpression layers = RegularExpression.compile("layers_pattern", ".*?\\.[^.]*\\.(?P<idx>\\d+)\\.");
        RegularExpression ahead = RegularExpression.compile("layers_pattern", "(?=m).*?(x)?\\.(?P<idx>\\d+)\\.");
        assertAll(
                () -> assertEquals(Optional.of("10"), layers.group(PATH, "idx")),
                () -> assertEquals(Optional.empty(), layers.group("lm_head", "idx")),
                () -> assertEquals(Optional.of("10"), ahead.group(PATH, "idx")),
                () -> assertThrows(IllegalArgumentException.class, () -> layers.group(PATH, "other")));
    }
}
