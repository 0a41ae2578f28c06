package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.cli.RanksComparison.Difference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Several trainings in a row, described by one configuration. */
@Tag("slow")
class PipelineTest {

    private static final String CONFIG = """
            stages: [sft, rm]
            model_name_or_path: %s
            output_dir: %s
            method: lora
            r: 2
            max_length: 64
            per_device_train_batch_size: 2
            report_to: html
            num_preview_samples: 0
            seed: 3
            packing: false
            sft:
              train_file: %s
              prompt_template: "Q: {instruction}\\nA:\\n"
              learning_rate: 1e-3
              max_steps: 3
            rm:
              train_file: %s
              learning_rate: 2e-3
              max_steps: 2
            """;

    private static final double TOLERANCE = 1e-5;

    @TempDir
    Path directory;

    private TrainingFiles files;
    private Path pairs;

    @BeforeEach
    void records() {
        files = new TrainingFiles(directory);
        pairs = directory.resolve("pairs.jsonl");
        TrainingFiles.write(pairs, """
                {"prompt": "Where is Tom?", "chosen": "In Oslo.", "rejected": "No."}
                {"prompt": "Who is Ann?", "chosen": "A baker.", "rejected": "Nobody at all."}
                """);
        TrainingFiles.write(files.config, CONFIG.formatted(files.model, files.output, files.data, pairs));
    }

    private CommandRun train(String... overrides) {
        return command("train", overrides);
    }

    private CommandRun command(String name, String... overrides) {
        List<String> all = new ArrayList<>(List.of(name, files.config.toString(), "--json"));
        all.addAll(List.of(overrides));
        return CommandRun.of(all.toArray(String[]::new));
    }

    private static JsonNode values(CommandRun run) {
        assertEquals(0, run.exitCode(), run.toString());
        return Json.parse(run.out().get(0), "output");
    }

    @Test
    void everyStageGoesOnFromTheModelBeforeItAndIsTrainedOnce() throws IOException {
        JsonNode first = values(train());
        assertEquals(3, first.path("stages").path("sft").path("steps").asInt());
        assertEquals(2, first.path("stages").path("rm").path("steps").asInt());
        Path merged = files.output.resolve("sft/merged");
        assertEquals(
                merged.toString(),
                Json.parse(Files.readString(files.output.resolve("rm/adapter_config.json")), "adapter")
                        .path("base_model_name_or_path")
                        .asText());
        String report = Files.readString(files.output.resolve("report.html"));
        assertTrue(report.contains("<h1>sft</h1>") && report.contains("<h1>rm</h1>"), "one page about both");

        byte[] weights = Files.readAllBytes(files.output.resolve("rm/adapter_model.safetensors"));
        JsonNode again = values(train());
        assertEquals("[\"sft\",\"rm\"]", again.path("complete_before").toString());
        assertArrayEquals(weights, Files.readAllBytes(files.output.resolve("rm/adapter_model.safetensors")));
    }

    /** Each stage is launched by itself; the model between them is what one process leaves, and what is complete is not trained again. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"2|dp=2|0", "2|tp=2|0", "2|pp=2|0", "2|dp=2|3"})
    void ranksTrainARowAsOneProcess(String ranks, String mesh, String stage) throws IOException {
        values(train());
        Path alone = directory.resolve("alone");
        Files.move(files.output, alone); // stages name the models before them
        String[] launch = {
            "launch",
            "--nproc",
            ranks,
            "--local",
            "--mesh",
            mesh,
            "train",
            files.config.toString(),
            "zero_stage=" + stage
        };
        CommandRun run = CommandRun.of(launch);
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(List.of(files.output.toString()), run.out());
        requireNear(RanksComparison.compare(alone.resolve("sft"), files.output.resolve("sft"), TOLERANCE));
        // From models that differ in their last digits, which Adam makes full steps of where a gradient is nearly zero.
        requireNear(RanksComparison.compareSteps(alone.resolve("rm"), files.output.resolve("rm"), TOLERANCE));
        assertTrue(Files.exists(files.output.resolve("report.html")));
        FileTime written = Files.getLastModifiedTime(files.output.resolve("rm/adapter_model.safetensors"));
        assertEquals(0, CommandRun.of(launch).exitCode());
        assertEquals(written, Files.getLastModifiedTime(files.output.resolve("rm/adapter_model.safetensors")));
    }

    private static void requireNear(Difference difference) {
        assertTrue(difference.largest() <= TOLERANCE, difference::toString);
    }

    @Test
    void aRowThatWasInterruptedGoesOnToTheSameBytes() throws IOException {
        values(train());
        byte[] expected = Files.readAllBytes(files.output.resolve("rm/adapter_model.safetensors"));
        Path state = files.output.resolve("pipeline.json");
        // As after a kill in the second stage: its checkpoint of step 1 is there, its result and the later one are not.
        TrainingFiles.write(
                state, Files.readString(state).replaceFirst("(?s)(\"rm\".*?\"complete\" : )true", "$1false"));
        assertTrue(Files.readString(state).contains("false"), Files.readString(state));
        Files.delete(files.output.resolve("rm/adapter_model.safetensors"));
        AtomicFiles.deleteTree(files.output.resolve("rm/checkpoint-2"));
        JsonNode resumed = values(train());
        assertEquals("[\"sft\"]", resumed.path("complete_before").toString());
        assertArrayEquals(expected, Files.readAllBytes(files.output.resolve("rm/adapter_model.safetensors")));
    }

    @Test
    void aStageWithoutACheckpointIsTrainedAnew() throws IOException {
        values(train());
        Path state = files.output.resolve("pipeline.json");
        TrainingFiles.write(
                state, Files.readString(state).replaceFirst("(?s)(\"rm\".*?\"complete\" : )true", "$1false"));
        byte[] expected = Files.readAllBytes(files.output.resolve("rm/adapter_model.safetensors"));
        AtomicFiles.deleteTree(files.output.resolve("rm/checkpoint-1"));
        AtomicFiles.deleteTree(files.output.resolve("rm/checkpoint-2"));
        values(train());
        assertArrayEquals(expected, Files.readAllBytes(files.output.resolve("rm/adapter_model.safetensors")));
    }

    @Test
    void whatWasBegunWithOtherSettingsIsNotGoneOnWith() {
        values(train());
        CommandRun other = train("sft.learning_rate=5e-3");
        assertEquals(2, other.exitCode(), other.toString());
        assertTrue(other.errors().get(0).contains("learning_rate was 0.001, is 0.005"), other.toString());
        CommandRun shown = train("report_to=none");
        assertEquals(0, shown.exitCode(), "how a run is shown may change: " + shown);
    }

    @Test
    void theStepsBeforeAnInterruptionAreNeededByThoseAfter() {
        values(train());
        AtomicFiles.deleteTree(files.output.resolve("sft/merged"));
        CommandRun gone = train();
        assertEquals(2, gone.exitCode(), gone.toString());
        assertTrue(gone.errors().get(0).contains("is gone"), gone.toString());
    }

    @Test
    void validateLooksAtEveryStage() {
        CommandRun good = CommandRun.of("validate", files.config.toString());
        assertEquals(0, good.exitCode(), good.toString());
        assertFalse(Files.exists(files.output.resolve("pipeline.json")));
        TrainingFiles.write(pairs, "{\"instruction\": \"Where is Tom?\", \"output\": \"In Oslo.\"}\n");
        CommandRun bad = CommandRun.of("validate", files.config.toString());
        assertEquals(2, bad.exitCode(), bad.toString());
        assertTrue(bad.errors().get(0).contains("pairs.jsonl"), bad.toString());
    }

    /** A policy's reward model is still to be trained when all of it is looked at. */
    @Test
    void aWholePathIsLookedAtBeforeItsFirstStage() {
        String[] path = {
            "stages=[sft, rm, grpo]",
            "grpo.train_file=" + pairs,
            "grpo.max_completion_length=4",
            "grpo.num_generations=2",
            "grpo.max_steps=1"
        };
        CommandRun good = command("validate", path);
        assertEquals(0, good.exitCode(), good.toString());
        path[3] = "grpo.num_generations=7";
        CommandRun bad = command("train", path);
        assertEquals(2, bad.exitCode(), bad.toString());
        assertTrue(bad.errors().get(0).startsWith("error: stage grpo: num_generations is 7"), bad.toString());
        assertFalse(Files.exists(files.output.resolve("pipeline.json")), "nothing was begun");
    }

    /** AdapterHub's files name their base by another key than PEFT's. */
    @Test
    void aPolicyFindsAnyKindOfRewardModel() throws IOException {
        CommandRun run = train(
                "stages=[sft, rm, rloo]",
                "rm.method=adapter",
                "rloo.train_file=" + pairs,
                "rloo.max_completion_length=4",
                "rloo.num_generations=2",
                "rloo.stop_on_identical_answers=false",
                "rloo.max_steps=1");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(Files.exists(files.output.resolve("rloo/adapter_model.safetensors")));
    }

    /** Nothing is built on the last one. */
    @Test
    void theLastStageMayTrainWhatCannotBeMerged() {
        CommandRun run = train("stages=[rm, sft]", "sft.method=prompt_tuning", "sft.num_virtual_tokens=2");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(Files.exists(files.output.resolve("sft/adapter_model.safetensors")));
        assertEquals(
                "[\"rm\",\"sft\"]",
                values(train("stages=[rm, sft]", "sft.method=prompt_tuning", "sft.num_virtual_tokens=2"))
                        .path("complete_before")
                        .toString());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '#', commentCharacter = '\0', quoteCharacter = '"', textBlock = """
            stages=[sft, rn]       # did you mean 'rm'?
            stages=[sft, sft]      # twice
            stages=[]              # names of stages
            stage=sft              # exclude each other
            sft.max_stepz=3        # unknown key 'max_stepz'; did you mean 'max_steps'?
            max_stepz=3            # unknown key 'max_stepz'; did you mean 'max_steps'?
            sft.output_dir=x       # not its own to set
            rm.packing=true        # 'packing' belongs to stage sft
            sft=1                  # keys and values
            stages=[{stage: sft}]  # such as [sft, dpo]; keys of one stand in a section of its name, 'sft:'
            sft.method=prompt_tuning # cannot be merged
            rm.train_file=nowhere.jsonl # nowhere.jsonl
            rm.method=freeze;rm.freeze_layers=1;rm.freeze_head=true # stage rm: method freeze does not train the reward head 'score'
            rm.load_in_4bit=true;rm.method=full # stage rm: 'model.layers.0.self_attn.q_proj.weight' is quantised
            """)
    void whatIsWrongIsSaidBeforeAnythingIsTrained(String override, String message) {
        for (String command : List.of("train", "validate")) {
            CommandRun run = command(command, override.split(";"));
            String said = run.errors().isEmpty()
                    ? String.join("\n", run.out())
                    : run.errors().get(0);
            assertEquals(2, run.exitCode(), run.toString());
            assertTrue(said.contains(message), said);
        }
        assertFalse(Files.exists(files.output.resolve("pipeline.json")), "nothing was begun");
    }
}
