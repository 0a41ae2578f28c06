package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvalCommandTest {

    @TempDir
    Path directory;

    @Test
    void whatATrainedAdapterLearnedIsMeasured() throws IOException {
        TrainingFiles files = new TrainingFiles(directory);
        assertEquals(
                0,
                files.train("max_steps=60", "learning_rate=5e-3", "target_modules=all-linear")
                        .exitCode());
        JsonNode before = eval(files, files.data, false, "--metrics", "loss,perplexity,exact_match,rouge,bleu");
        JsonNode after = eval(files, files.data, true, "--metrics", "loss,perplexity,exact_match,rouge,bleu");
        assertEquals(1, after.path("exact_match").asDouble(), after::toString);
        assertEquals(1, after.path("rougeL").asDouble(), 1e-9);
        assertTrue(after.path("loss").asDouble() < before.path("loss").asDouble() / 4);
        assertEquals(
                Math.exp(after.path("loss").asDouble()),
                after.path("perplexity").asDouble(),
                1e-9);
        assertEquals(3, after.path("samples").asInt());

        Path questions = directory.resolve("questions.jsonl");
        TrainingFiles.write(
                questions,
                "{\"prompt\": \"Q: Where does Tom live?\\nA: \", \"choices\": [\"In Rome.\", \"In Oslo.\"], \"answer\": \"B\"}\n");
        JsonNode choices = eval(files, questions, true, "--multiple-choice");
        assertEquals(1, choices.path("accuracy").asDouble());
        assertEquals(1, choices.path("questions").asInt());
    }

    @Test
    void anUnknownMetricIsToldWithTheNearestOne() {
        TrainingFiles files = new TrainingFiles(directory);
        CommandRun run = CommandRun.of(
                "eval", "--model", files.model.toString(), "--data", files.data.toString(), "--metrics", "rougel");
        assertEquals(2, run.exitCode());
        assertTrue(run.errors().get(0).contains("rougeL"), run::toString);
    }

    private static JsonNode eval(TrainingFiles files, Path data, boolean adapter, String... more) throws IOException {
        List<String> args = new ArrayList<>(List.of(
                "eval",
                "--model",
                files.model.toString(),
                "--data",
                data.toString(),
                "--prompt-template",
                "Q: {instruction}\nA: ",
                "--max-new-tokens",
                "12",
                "--json"));
        if (adapter) {
            args.addAll(List.of("--adapter", files.output.toString()));
        }
        args.addAll(List.of(more));
        CommandRun run = CommandRun.of(args.toArray(String[]::new));
        assertEquals(0, run.exitCode(), run.toString());
        return new ObjectMapper().readTree(run.out().get(0));
    }
}
