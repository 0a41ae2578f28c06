package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.Json;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code finetune continual} as a user calls it. */
class ContinualCommandTest {

    private static final String CONFIG = """
            model_name_or_path: %s
            output_dir: %s
            prompt_template: "Q: {instruction}\\nA:\\n"
            method: lora
            r: 2
            target_modules: [q_proj, v_proj]
            learning_rate: 1e-3
            per_device_train_batch_size: 2
            max_steps: 2
            max_length: 64
            report_to: none
            continual: {method: ewc, ewc_lambda: 10, fisher_samples: 2}
            tasks:
            - {name: towns, train_file: %s, eval_file: %s}
            - {name: pets, train_file: %s, eval_file: %s, learning_rate: 2e-3}
            """;

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void records() {
        files = new TrainingFiles(directory);
        Path towns = file("towns", "In Oslo.", "In Rome.");
        Path pets = file("pets", "A dog.", "A cat.");
        TrainingFiles.write(files.config, CONFIG.formatted(files.model, files.output, towns, towns, pets, pets));
    }

    private Path file(String name, String... answers) {
        Path file = directory.resolve(name + ".jsonl");
        TrainingFiles.write(
                file,
                String.join(
                        "\n",
                        List.of(answers).stream()
                                .map(answer -> TrainingFiles.record("Which of the " + name + "?", answer))
                                .toList()));
        return file;
    }

    @Test
    void theMatrixIsPrintedAndStoredAndTheAdapterIsOneAsAnyOther() {
        CommandRun run = files.run("continual");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(run.out().get(0).contains("| loss of | towns | pets |"), run.toString());
        assertTrue(run.out().get(4).startsWith("| after pets |"), run.toString());
        assertTrue(
                run.out().get(5).matches("average [0-9.]+, forgetting -?[0-9.]+, backward transfer -?[0-9.]+"),
                run.toString());
        assertTrue(Files.exists(files.output.resolve("continual.json")), "it is stored");
        assertEquals(
                0,
                files.generate(files.model, "Q: Which?", "--max-new-tokens", "2")
                        .exitCode());

        CommandRun again = files.run("continual", "--json");
        JsonNode values = Json.parse(again.out().get(0), "output");
        assertEquals(3, values.path("scores").size(), again.toString());
        assertEquals("ewc", values.path("method").asText());
        CommandRun.assertRefused(
                files.run("continual", "continual.ewc_lambda=11"), "continual.ewc_lambda was 10, is 11");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '"',
            value = {
                "continual.method=ecw; did you mean 'ewc'",
                "continual.ewc_lambda=-1; 'ewc_lambda' is -1, expected a number from 0",
                "continual.replay_bytes=100; unknown key 'replay_bytes'",
                "continual=[]; 'continual' is [], expected keys and values",
                "tasks=[]; 'tasks' is [], expected a list of tasks",
                "tasks=[{name: a, train_file: x.jsonl}]; two at least",
                "tasks=[1, 2]; expected a list of tasks",
                "tasks=[{train_file: x.jsonl}, {name: b, train_file: x.jsonl}]; a task's 'name' is null",
                "tasks=[{name: ../a, train_file: x.jsonl}, {name: b, train_file: x.jsonl}]; a task's 'name' is ../a",
                "tasks=[{name: a, train_file: x.jsonl}, {name: a, train_file: x.jsonl}]; two tasks are called a",
                "tasks=[{name: a, train_file: x.jsonl, method: ia3}, {name: b, train_file: x.jsonl}]; set it beside 'tasks'",
                "tasks=[{name: a, train_file: x.jsonl, lr: 1}, {name: b, train_file: x.jsonl}]; here it is 'learning_rate'",
                "tasks=[{name: a, train_file: x.jsonl}, {name: b, train_file: x.jsonl}]; x.jsonl",
                "method=full; 'method' is full, expected one that makes an adapter",
                "stage=dpo; expected sft",
                "train_file=x.jsonl; 'train_file' is read by no task, since every one sets its own",
                "lora_dropuot=0.1; did you mean 'lora_dropout'",
            })
    void whatCannotBeUsedIsRefusedInOneLine(String override, String expected) {
        CommandRun.assertRefused(files.run("continual", override), expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"validate", "continual"})
    void oloraWithAnotherMethodIsRefusedBeforeAnythingIsLoaded(String command) {
        CommandRun.assertRefused(
                files.run(command, "continual={method: olora}", "method=dora"), "the method is dora: choose lora");
    }

    @Test
    void oloraNeedsALoraWhoseRankCanBeDivided() {
        CommandRun.assertRefused(
                files.run("continual", "continual={method: olora}", "use_rslora=true"), "leave use_dora, use_rslora");
        CommandRun.assertRefused(files.run("train"), "'tasks'", "./finetune continual");
    }
}
