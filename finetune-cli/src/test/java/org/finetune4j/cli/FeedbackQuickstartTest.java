package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.Json;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The files of the quick starts that learn from feedback; that they learn is shown by running them. */
class FeedbackQuickstartTest {

    @TempDir
    Path directory;

    private List<JsonNode> records(String name) throws IOException {
        return Files.readAllLines(directory.resolve(name)).stream()
                .map(line -> Json.parse(line, name))
                .toList();
    }

    @ParameterizedTest
    @ValueSource(strings = {"dpo", "grpo", "ppo"})
    void everyStageHasItsTask(String stage) throws IOException {
        CommandRun run = CommandRun.of("quickstart", "--stage", stage, "--only-files", "--out", directory.toString());
        assertEquals(0, run.exitCode(), run.toString());
        List<JsonNode> taught = records("taught.jsonl");
        long sentences = taught.stream()
                .filter(record -> record.path("output").asText().startsWith("The "))
                .count();
        assertTrue(sentences > taught.size() * 0.4 && sentences < taught.size() * 0.6, "both ways are taught alike");
        Set<String> asked = new HashSet<>();
        records("prompts.jsonl")
                .forEach(record -> asked.add(record.path("prompt").asText()));
        assertTrue(
                records("held-out.jsonl").stream()
                        .noneMatch(
                                record -> asked.contains(record.path("prompt").asText())),
                "nothing that is held out is asked in training");
        for (JsonNode pair : records("pairs.jsonl")) {
            assertTrue(pair.path("chosen").asText().startsWith("The "), pair.toString());
            assertTrue(!pair.path("rejected").asText().startsWith("The "), pair.toString());
        }
    }

    @Test
    void aStageWithoutAQuickStartIsRefused() {
        CommandRun run = CommandRun.of("quickstart", "--stage", "gppo", "--out", directory.toString());
        assertEquals(2, run.exitCode(), run.toString());
        assertTrue(run.errors().get(0).contains("did you mean") && run.errors().size() == 1, run.toString());
    }
}
