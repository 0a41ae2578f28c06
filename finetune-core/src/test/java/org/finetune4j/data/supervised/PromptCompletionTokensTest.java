package org.finetune4j.data.supervised;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.finetune4j.TestJson;
import org.finetune4j.data.LazySamples;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TruncationPolicy;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A prompt and its answer become the tokens and labels that TRL's SFTTrainer gives them (recorded with 1.13). */
class PromptCompletionTokensTest {

    @TempDir
    private Path directory;

    static Stream<Named<JsonNode>> cases() {
        return TestTokenizers.recorded("prompt-completion.json");
    }

    @ParameterizedTest
    @MethodSource("cases")
    void areTokenisedAsOneText(JsonNode test) throws IOException {
        JsonNode rows = test.path("rows");
        assertFalse(rows.isEmpty());
        try (Tokenizer tokenizer = TestTokenizers.load(test, directory)) {
            PromptCompletionTokenizer instructions = new PromptCompletionTokenizer(tokenizer);
            assertAll(StreamSupport.stream(rows.spliterator(), false).map(row -> () -> {
                String prompt = row.path("prompt").textValue();
                String completion = row.path("completion").textValue();
                Sample sample = LazySamples.of(
                                1,
                                record -> instructions.tokenize(prompt, completion),
                                record -> "record",
                                1024,
                                TruncationPolicy.ERROR)
                        .get(0);
                String shown = "'" + prompt + "' + '" + completion + "'";
                assertArrayEquals(TestJson.ints(row.path("ids")), sample.inputIds(), () -> "ids of " + shown);
                assertArrayEquals(TestJson.ints(row.path("labels")), sample.labels(), () -> "labels of " + shown);
            }));
        }
    }
}
