package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.finetune4j.AtomicFiles;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.rlhf.reward.RewardModel;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code stage: rm}: a configuration makes a reward model, and mistakes in it or in its records are one line. */
@Tag("slow")
class RewardStageTest {

    private static final List<String> PLACES = List.of("Oslo", "Rome", "Paris", "Bonn", "Lima", "Cairo");

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void prepare() {
        files = new TrainingFiles(directory);
        write(files.data, pairs(40, 1));
        write(directory.resolve("held.jsonl"), pairs(20, 2));
    }

    /** Who lives somewhere is preferred to who does not. */
    private static List<String> pairs(int count, long seed) {
        Random random = new Random(seed);
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String place = PLACES.get(random.nextInt(PLACES.size()));
            lines.add("""
                    {"prompt": "Where does Tom live?", "chosen": " In %s.", "rejected": " Not in %s."}""".formatted(place, place));
        }
        return lines;
    }

    private static void write(Path file, List<String> lines) {
        TrainingFiles.write(file, String.join("\n", lines) + "\n");
    }

    private CommandRun train(String... more) {
        List<String> keys = new ArrayList<>(List.of(
                "stage=rm",
                "eval_file=" + directory.resolve("held.jsonl"),
                "eval_strategy=steps",
                "eval_steps=6",
                "max_steps=12",
                "per_device_train_batch_size=4"));
        keys.addAll(List.of(more));
        return files.train(keys.toArray(String[]::new));
    }

    @ParameterizedTest
    @CsvSource({"lora, 5e-3", "full, 1e-3"})
    void whatPeopleChoseIsLearnedAndScoredFromTheDirectory(String method, String rate) throws IOException {
        if (method.equals("full")) {
            TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        }
        CommandRun run = train(
                "method=" + method,
                "learning_rate=" + rate,
                "metric_for_best_model=eval_accuracy",
                "load_best_model_at_end=true",
                "report_to=html");
        assertEquals(0, run.exitCode(), run.toString());
        JsonNode last =
                files.events("evaluation").get(files.events("evaluation").size() - 1);
        assertEquals(1, last.path("scores").path("accuracy").doubleValue(), 1e-9, run.toString());
        assertTrue(last.path("tables").path(0).path("rows").size() > 0);
        assertTrue(!last.has("perplexity"));
        double measured = margin(method); // of the best model, the first that is always right
        JsonNode best = files.events("evaluation").stream()
                .filter(one -> one.path("scores").path("accuracy").doubleValue() == 1)
                .findFirst()
                .orElseThrow();
        assertEquals(best.path("scores").path("margin").doubleValue(), measured, 1e-3);
        String html = Files.readString(files.output.resolve("report.html"));
        assertTrue(html.contains("Calibration") && html.contains("Accuracy"), "report.html");
        try (RewardModel judge = RewardModel.load(files.output)) {
            double[] rewards = judge.score(List.of(
                    new PromptCompletion("Where does Tom live?", " In Rome."),
                    new PromptCompletion("Where does Tom live?", " Not in Rome.")));
            assertTrue(rewards[0] > rewards[1]);
        }
        if (method.equals("full")) {
            JsonNode config = InputFiles.json(files.output.resolve("config.json"));
            assertEquals(
                    "LlamaForSequenceClassification",
                    config.path("architectures").path(0).asText());
            assertEquals("LABEL_0", config.path("id2label").path("0").asText());
            assertTrue(config.path("pad_token_id").isInt());
        } else {
            JsonNode config = InputFiles.json(files.output.resolve("adapter_config.json"));
            assertEquals("SEQ_CLS", config.path("task_type").asText());
            assertEquals(
                    "[\"classifier\",\"score\"]", config.path("modules_to_save").toString());
        }
    }

    /** What the command that measures says about the held-out pairs. */
    private double margin(String method) {
        List<String> args = new ArrayList<>(List.of("eval", "--model"));
        args.addAll(
                method.equals("full")
                        ? List.of(files.output.toString())
                        : List.of(files.model.toString(), "--adapter", files.output.toString()));
        args.addAll(List.of("--data", directory.resolve("held.jsonl").toString(), "--json", "--max-length", "64"));
        args.addAll(List.of("--", "stage=rm"));
        CommandRun run = CommandRun.of(args.toArray(String[]::new));
        assertEquals(0, run.exitCode(), run.toString());
        JsonNode measured = Json.parse(run.out().get(run.out().size() - 1), "eval");
        assertEquals(1, measured.path("accuracy").doubleValue());
        assertEquals(20, measured.path("samples").intValue());
        return measured.path("margin").doubleValue();
    }

    @Test
    void validateShowsAPair() {
        CommandRun run = files.run("validate", "stage=rm", "max_steps=3", "per_device_train_batch_size=4");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(String.join("\n", run.out()).contains("Not in"), run.toString());
    }

    @Test
    void aStoppedRunGoesOnToTheSameBytes() throws IOException {
        assertEquals(
                0,
                train("learning_rate=1e-3", "save_strategy=steps", "save_steps=4")
                        .exitCode());
        byte[] straight = Files.readAllBytes(files.output.resolve("adapter_model.safetensors"));
        Path other = directory.resolve("other");
        String to = "output_dir=" + other;
        assertEquals(
                0,
                train(
                                "learning_rate=1e-3",
                                "max_steps=12",
                                "save_strategy=steps",
                                "save_steps=4",
                                "save_total_limit=9",
                                to)
                        .exitCode());
        for (String gone : List.of("checkpoint-12", "checkpoint-8")) {
            AtomicFiles.deleteDirectory(other.resolve(gone));
        }
        Files.delete(other.resolve("adapter_model.safetensors"));
        CommandRun again =
                train("learning_rate=1e-3", "save_strategy=steps", "save_steps=4", "resume_from_checkpoint=true", to);
        assertEquals(0, again.exitCode(), again.toString());
        assertArrayEquals(straight, Files.readAllBytes(other.resolve("adapter_model.safetensors")));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"prompt\": \"Q\", \"chosen\": \"A\", \"rejected\": \"A\"}  | the same answer",
                "{\"prompt\": \"Q\", \"chosen\": \" \", \"rejected\": \"A\"}  | chosen answer is empty",
                "{\"prompt\": \"Q\", \"chosen\": \"A\", \"rejected\": \"\"}   | rejected answer is empty",
                "{\"prompt\": \"Q\", \"chosen\": \"A\", \"rejected\": \"B\", \"margin\": \"much\"} | 'margin' must be a number",
                "{\"text\": \"good\", \"label\": 1}                           | learns from pairs",
                "{\"prompt\": \"Q\", \"completion\": \"A\"}                   | learns from pairs"
            })
    void aRecordThatTeachesNothingIsNamed(String record, String problem) {
        TrainingFiles.write(files.data, record + "\n");
        assertRefused(train(), files.data.getFileName() + ":1", problem);
    }

    @Test
    void suchRecordsCanBeLeftOut() {
        List<String> lines = new ArrayList<>(pairs(10, 3));
        lines.add("{\"prompt\": \"Q\", \"chosen\": \"A\", \"rejected\": \"A\"}");
        write(files.data, lines);
        CommandRun run = train("on_bad_record=skip", "max_steps=1");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(run.err().stream().anyMatch(line -> line.contains("1 bad records skipped")), run.toString());
    }

    @Test
    void anAnswerThatIsCutOffIsTold() {
        CommandRun run = files.run("validate", "stage=rm", "max_length=12");
        assertTrue(String.join("\n", run.out()).contains("loses its end token"), run.toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "packing=true                        | 'packing' belongs to stage sft, and this is stage rm",
                "center_rewards_coeficient=0.1       | did you mean 'center_rewards_coefficient'?",
                "center_rewards_coefficient=-1       | expected a number from 0",
                "metric_for_best_model=eval_acuracy  | did you mean 'accuracy'?",
                "stage=mr                            | did you mean 'rm'?"
            })
    void aWrongKeyIsToldWithTheRightOne(String key, String problem) {
        assertRefused(train(key), problem);
    }
}
