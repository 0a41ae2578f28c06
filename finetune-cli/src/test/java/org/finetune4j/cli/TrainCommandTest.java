package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.Json;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The way of a user: validate, train, generate, merge, generate again. */
@Tag("slow")
class TrainCommandTest {

    private static final String PROMPT = "Q: Where does Tom live?\nA:\n";

    @TempDir
    Path directory;

    @Test
    void aTrainedAdapterAnswersAndItsMergedModelAnswersTheSame() {
        TrainingFiles files = new TrainingFiles(directory);
        assertEquals(0, files.run("validate").exitCode());

        CommandRun trained = files.train(
                "max_steps=60", "learning_rate=5e-3", "target_modules=all-linear", "report_to=[html,tensorboard]");
        assertEquals(0, trained.exitCode(), trained.toString());
        assertEquals(List.of(files.output.toString()), trained.out());
        assertTrue(Files.exists(files.output.resolve("adapter_model.safetensors")));
        assertTrue(Files.exists(files.output.resolve("report.html")));

        List<String> base = generate(files.model, null);
        List<String> adapted = generate(files.model, files.output);
        assertEquals(List.of("In Oslo."), adapted);
        assertNotEquals(base, adapted);

        Path merged = directory.resolve("merged");
        CommandRun run = files.merge(merged);
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(adapted, generate(merged, null));
    }

    private static List<String> generate(Path model, Path adapter) {
        CommandRun run = adapter == null
                ? CommandRun.of("generate", "--model", model.toString(), "--prompt", PROMPT, "--max-new-tokens", "12")
                : CommandRun.of(
                        "generate",
                        "--model",
                        model.toString(),
                        "--adapter",
                        adapter.toString(),
                        "--prompt",
                        PROMPT,
                        "--max-new-tokens",
                        "12");
        assertEquals(0, run.exitCode(), run.toString());
        return run.out();
    }

    @Test
    void aModelThatLearnedConversationsIsAskedInItsOwnTemplate() {
        TrainingFiles files = new TrainingFiles(directory);
        String template = "{% for m in messages %}{{ m.role }}:\n{{ m.content }}\n{% endfor %}"
                + "{% if add_generation_prompt %}assistant:\n{% endif %}";
        TrainingFiles.write(files.model.resolve("chat_template.jinja"), template);
        TrainingFiles.write(
                files.data,
                "{\"messages\": [{\"role\": \"user\", \"content\": \"Where does Tom live?\"},"
                        + " {\"role\": \"assistant\", \"content\": \"In Oslo.\"}]}\n");
        assertEquals(
                0,
                files.train("max_steps=40", "learning_rate=5e-3", "target_modules=all-linear")
                        .exitCode());
        CommandRun run = files.generate(files.model, "Where does Tom live?", "--chat", "--max-new-tokens", "12");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(run.out().get(0).startsWith("In Oslo."), run.toString());
    }

    @Test
    void anEarlierRunIsNotOverwrittenAndGoesOnWhenAsked() {
        TrainingFiles files = new TrainingFiles(directory);
        assertEquals(0, files.train("max_steps=2").exitCode());
        CommandRun again = files.train("max_steps=4");
        assertEquals(2, again.exitCode());
        assertTrue(again.errors().get(0).contains("resume_from_checkpoint=true"), again.toString());
        assertEquals(
                0, files.train("max_steps=4", "resume_from_checkpoint=true").exitCode());
        assertTrue(Files.exists(files.output.resolve("checkpoint-4")));
    }

    @Test
    void datasetsThatADescriptionNamesAreTrainedOnAndHeldOut() throws IOException {
        TrainingFiles files = new TrainingFiles(directory);
        Path described = Files.writeString(
                directory.resolve("dataset_info.json"),
                "{\"all\": {\"file_name\": \"data.jsonl\"}, \"two\": {\"file_name\": \"data.jsonl\", \"num_samples\": 2}}");
        CommandRun run = files.train(
                "train_file=null",
                "dataset_info=" + described,
                "dataset=all",
                "eval_dataset=two",
                "eval_strategy=epoch");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(run.err().stream().anyMatch(line -> line.startsWith("evaluation after step 4")), run.toString());

        CommandRun measured = CommandRun.of(
                "eval",
                "--model",
                files.model.toString(),
                "--config",
                files.config.toString(),
                "--json",
                "--",
                "train_file=null",
                "dataset_info=" + described,
                "dataset=all",
                "eval_dataset=[two, all]");
        assertEquals(0, measured.exitCode(), measured.toString());
        assertEquals(
                5, Json.parse(measured.out().get(0), "eval").path("samples").asInt(), measured.toString());

        CommandRun alone = files.train("eval_dataset=two", "output_dir=" + directory.resolve("other"));
        assertEquals(2, alone.exitCode());
        assertTrue(alone.errors().get(0).contains("dataset_info"), alone.toString());
        CommandRun unknown = files.train(
                "train_file=null",
                "dataset_info=" + described,
                "dataset=all",
                "eval_dataset=tow",
                "output_dir=" + directory.resolve("other"));
        assertEquals(2, unknown.exitCode());
        assertTrue(unknown.errors().get(0).contains("did you mean 'two'?"), unknown.toString());
    }

    @Test
    void strategiesAndLoggingStepsOfTransformersAreObeyed() throws IOException {
        TrainingFiles files = new TrainingFiles(directory);
        CommandRun run = files.train(
                "logging_steps=2",
                "save_strategy=no",
                "eval_file=" + files.data,
                "eval_strategy=steps",
                "eval_steps=0.5",
                "report_to=html",
                "disable_tqdm=true");
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(
                List.of("step 2/4", "step 4/4"),
                run.err().stream()
                        .filter(line -> line.startsWith("step "))
                        .map(line -> line.substring(0, "step 2/4".length()))
                        .toList());
        assertEquals(
                List.of("after step 0", "after step 2", "after step 4"),
                run.err().stream()
                        .filter(line -> line.startsWith("evaluation "))
                        .map(line -> line.substring("evaluation ".length(), line.indexOf(':')))
                        .toList());
        try (var left = Files.list(files.output)) {
            assertEquals(
                    List.of(),
                    left.filter(path -> path.getFileName().toString().startsWith("checkpoint-"))
                            .toList());
        }
    }

    @Test
    void withoutArgumentsThereIsHelp() {
        CommandRun run = CommandRun.of();
        assertEquals(0, run.exitCode());
        assertTrue(run.out().get(0).startsWith("Usage: finetune"), run.toString());
    }

    @Test
    void aRunAndItsChecksCanBePrintedAsOneLineOfJson() {
        TrainingFiles files = new TrainingFiles(directory);
        CommandRun checked = CommandRun.of("validate", files.config.toString(), "--json");
        assertEquals(0, checked.exitCode(), checked.toString());
        assertEquals(1, checked.out().size(), checked.toString());
        assertEquals(3, Json.parse(checked.out().get(0), "out").path("samples").asInt());
        CommandRun trained = CommandRun.of("train", files.config.toString(), "--json", "max_steps=2");
        assertEquals(0, trained.exitCode(), trained.toString());
        assertEquals(2, Json.parse(trained.out().get(0), "out").path("steps").asInt());
    }
}
