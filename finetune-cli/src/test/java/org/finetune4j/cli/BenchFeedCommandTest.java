package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.TestJson;
import org.finetune4j.cli.quickstart.EmbeddedModelFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchFeedCommandTest {

    @TempDir
    Path directory;

    @Test
    void stepsAreCountedAndMeasuredWhetherTheyTrainOrSleep() throws IOException {
        String model = EmbeddedModelFiles.unpack(directory.resolve("model")).toString();
        JsonNode slept = feed("--tokenizer", model, "--records", "203", "--tokens-per-second", "1e7", "--workers", "2");
        assertEquals(203, slept.path("records").asInt());
        assertEquals(26, slept.path("steps").asInt());
        assertTrue(slept.path("making_samples_s").asDouble() > 0, slept::toString);
        assertTrue(slept.path("resident_at_the_end_mb").asInt() > 0, slept::toString);
        JsonNode trained = feed("--model", model, "--records", "32", "--steps", "2", "--batch", "4");
        assertEquals(2, trained.path("steps").asInt());
        assertTrue(trained.path("tokens").asInt() > 0, trained::toString);
        assertEquals(2, CommandRun.of("bench", "feed").exitCode());
    }

    private static JsonNode feed(String... options) throws IOException {
        List<String> args = new ArrayList<>(List.of("bench", "feed", "--json"));
        args.addAll(List.of(options));
        CommandRun run = CommandRun.of(args.toArray(String[]::new));
        assertEquals(0, run.exitCode(), run.toString());
        return TestJson.parse(run.out().get(0));
    }
}
