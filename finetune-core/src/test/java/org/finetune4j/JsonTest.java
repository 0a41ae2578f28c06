package org.finetune4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** JSON as the standard has it, and one line with the place for everything else. */
class JsonTest {

    @TempDir
    Path directory;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"a\": 1, \"a\": 2}   | Duplicate",
                "{\"a\": 1} x           | line 1, column",
                "{\"a\": 1} {\"b\": 2}  | more after the value (line 1, column 10)",
                "{\"a\": NaN}           | NaN",
                "[Infinity]             | Infinity",
                "[-Infinity]            | Infinity",
                "{\"a\": 01}            | zeroes",
                "{'a': 1}               | line 1, column",
                "{\"a\": 1,}            | line 1, column",
                "{\"a\": 1 // why       | line 1, column",
                "''                     | empty",
                "'   '                  | empty",
            })
    void whatIsNoJsonIsRefusedWithItsPlace(String text, String expected) throws IOException {
        Path file = Files.writeString(directory.resolve("f.json"), text);
        for (UserErrorException e : List.of(
                assertThrows(UserErrorException.class, () -> Json.parse(text, file)),
                assertThrows(UserErrorException.class, () -> InputFiles.json(file)))) {
            String message = String.valueOf(e.getMessage());
            assertTrue(message.startsWith(file + ": ") && message.contains(expected), message);
            assertEquals(1, message.lines().count());
        }
    }

    @Test
    void theLineOfAMistakeIsNamed() {
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> Json.parse("{\n\"a\": 1,\n\"b\" 2\n}", "config.json"));
        assertTrue(e.getMessage().contains("line 3"), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(ints = {1_000, 100_000})
    void deepNestingIsRefusedNotAStackOverflow(int depth) {
        UserErrorException e = assertThrows(UserErrorException.class, () -> Json.parse("[".repeat(depth), "deep"));
        assertTrue(e.getMessage().length() < 2000 && e.getMessage().contains("500"), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"[1]", "1", "null", "\"text\""})
    void anObjectIsAskedFor(String text) {
        UserErrorException e = assertThrows(UserErrorException.class, () -> Json.parseObject(text, "file"));
        assertTrue(e.getMessage().startsWith("file: expected a JSON object, it holds "), e.getMessage());
    }

    /** Python, JavaScript and Go read what is written here, whatever is measured. */
    @ParameterizedTest
    @ValueSource(doubles = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY})
    void aNumberThatJsonCannotHoldIsAText(double value) {
        Map<String, Object> values = Map.of("a", List.of(value, (float) value));
        for (String text : List.of(
                Json.write(values),
                Json.writePretty(values),
                Json.writeAsPython(values),
                Json.write(Json.of(values)),
                Json.write(Json.object().put("a", value)))) {
            assertTrue(Json.parse(text, "written").toString().contains("\"" + value + "\""), text);
        }
    }

    @Test
    void mapsComeBackInTheirOrder() {
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("z", 1);
        values.put("a", List.of("x", Map.of("k", true)));
        values.put("n", null);
        assertEquals(values, Json.toMap(Json.parse(Json.write(values), "written")));
        assertEquals(
                List.of("z", "a", "n"), List.copyOf(Json.toMap(Json.of(values)).keySet()));
    }
}
