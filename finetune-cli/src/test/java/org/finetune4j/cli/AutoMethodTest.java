package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.finetune4j.Json;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code method: auto} as a user writes it. */
class AutoMethodTest {

    private static final String CONFIG = """
            model_name_or_path: %s
            train_file: %s
            output_dir: %s
            prompt_template: "Q: {instruction}\\nA:\\n"
            method: auto
            auto:
              budget_steps: 6
              candidates: 3
              methods: [ia3, lora]
              learning_rates: [1e-3]
            lora_dropout: 0.1
            per_device_train_batch_size: 2
            max_length: 64
            """;

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void records() {
        files = new TrainingFiles(directory);
        TrainingFiles.write(
                files.data,
                String.join(
                        "\n",
                        IntStream.range(0, 12)
                                .mapToObj(i -> TrainingFiles.record("Where is number " + i + "?", "In Oslo."))
                                .toList()));
        TrainingFiles.write(files.config, CONFIG.formatted(files.model, files.data, files.output));
    }

    @Test
    void theWinnerIsAnAdapterThatEverythingElseLoadsAndTheSameCommandFindsItComplete() {
        CommandRun run = files.run("train", "--json");
        assertEquals(0, run.exitCode(), run.toString());
        JsonNode found = Json.parse(run.out().get(0), "output");
        assertEquals("[[3,1],[1,4]]", found.path("rungs").toString(), "three steps and three more");
        assertEquals(
                0,
                files.generate(files.model, "Q: Where is number 3?", "--max-new-tokens", "2")
                        .exitCode());
        assertEquals(0, files.merge(directory.resolve("merged")).exitCode());
        assertTrue(Files.exists(files.output.resolve("auto.html")), "a page");
        CommandRun again = files.run("train", "--json");
        assertEquals(run.out(), again.out(), "it is complete");
        CommandRun.assertRefused(
                files.run("train", "auto.candidates=2"), "auto.candidates was 3, is 2", "choose another output_dir");
    }

    @Test
    void validateShowsThePlanAndTheMemory() {
        CommandRun run = files.run("validate");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(
                run.out().contains("search      3 of 6 candidates, 6 steps: 3 to step 1, 1 to step 4"), run.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '"',
            value = {
                "auto.budget_stepz=3; did you mean 'budget_steps'",
                "auto.budget_steps=0; 'budget_steps' is 0, expected a whole number from 1",
                "auto.budget_steps=4; 'budget_steps' is 4, expected at least 5",
                "auto.budget_minutes=2; a budget of steps or of minutes",
                "auto=[]; 'auto' is [], expected keys and values",
                "auto.methods=[lora,lroa]; did you mean 'lora'",
                "auto.methods=full; method full changes the base's own weights",
                "auto.ranks=[8,x]; 'ranks' is [8, x], expected whole numbers",
                "auto.ranks=[]; ranks: there is none",
                "auto.learning_rates=[0]; expected numbers above 0",
                "max_steps=10; 'max_steps' is not to be set with method: auto",
                "lora_dropuot=0.1; did you mean 'lora_dropout'",
                "stages=[sft]; 'method' is auto",
                "num_preview_samples=2; 'num_preview_samples' is 2, and is 0 for every training of a search",
            })
    void whatCannotBeUsedIsRefusedInOneLine(String override, String expected) {
        CommandRun.assertRefused(files.run("train", override), expected);
        CommandRun.assertRefused(files.run("validate", override), expected);
    }

    @Test
    void aTargetThatNoLayerHasIsRefusedBeforeAnythingTrains() {
        CommandRun.assertRefused(files.run("train", "auto.targets=[attention,q_prjo]"), "did you mean 'q_proj'");
        CommandRun.assertRefused(files.run("validate", "auto.targets=[attention,q_prjo]"), "did you mean 'q_proj'");
    }
}
