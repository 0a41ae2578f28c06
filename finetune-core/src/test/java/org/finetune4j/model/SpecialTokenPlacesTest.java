package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.finetune4j.TestJson;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Special tokens anywhere in a text, glued to words or apart, become the ids that transformers' AutoTokenizer gives for the
 * same files (recorded with 5.18).
 */
class SpecialTokenPlacesTest {

    @TempDir
    private Path directory;

    static Stream<Named<JsonNode>> cases() {
        return TestTokenizers.recorded("special-tokens.json");
    }

    @ParameterizedTest
    @MethodSource("cases")
    void areFoundWhereTransformersFindsThem(JsonNode test) throws IOException {
        JsonNode rows = test.path("rows");
        assertFalse(rows.isEmpty());
        try (Tokenizer tokenizer = TestTokenizers.load(test, directory)) {
            assertAll(StreamSupport.stream(rows.spliterator(), false)
                    .map(row -> () -> assertArrayEquals(
                            TestJson.ints(row.path("ids")),
                            tokenizer.encode(row.path("text").textValue(), false),
                            () -> "ids of '" + row.path("text").textValue() + "'")));
        }
    }
}
