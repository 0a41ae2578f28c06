package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What trainings that nobody wrote leave is of use: it is measured, answers, is folded into its base and answers alike, is exported and
 * quantised, or each of these is refused in one line. {@code -Dfinetune4j.results=300 -Dfinetune4j.seed=7} tries other ones; a case that
 * fails keeps its files in {@code target/random-results/SEED}.
 */
@Tag("slow")
class RandomResultsTest {

    /** Stages whose measurement draws answers. */
    private static final List<String> DRAWING =
            List.of("ppo", "grpo", "rloo", "reinforce_plus_plus", "online_dpo", "rft");

    private static final String PROMPT = "Q: Where does Tom live?\nA:\n";

    @Test
    void isOfUseWhateverWasTrained() throws IOException {
        Map<String, Integer> outcomes = RandomCases.of("random-results", "finetune4j.results", 6)
                .run((seed, at) -> {
                    RandomTraining training = RandomTraining.draw(seed, at, false);
                    return RandomCases.Case.of(
                            training.describe().replaceAll(", launch.*", ""), training.yaml(), () -> use(training, at));
                });
        assertTrue(outcomes.keySet().stream().anyMatch(outcome -> outcome.contains("answers")), outcomes::toString);
    }

    private static String use(RandomTraining training, Path at) throws IOException {
        Path output = at.resolve("out");
        CommandRun run = training.train(output, List.of());
        if (run.exitCode() == 2) {
            return "not trained, " + run.errors().get(0);
        }
        assertEquals(0, run.exitCode(), run::toString);
        boolean isAdapter = Files.exists(output.resolve("adapter_config.json"));
        Path base = training.model().directory();
        List<String> trained = isAdapter
                ? List.of("--model", base.toString(), "--adapter", output.toString())
                : List.of("--model", output.toString());
        List<String> said = new ArrayList<>();
        measure(training, output, trained, said);
        String answer = answer(trained, said, "answers");
        Path whole = output;
        if (isAdapter) {
            whole = at.resolve("merged");
            List<String> merge = new ArrayList<>(List.of("merge"));
            merge.addAll(trained);
            merge.addAll(List.of("--output", whole.toString()));
            if (!isDone(merge, said, "merged")) {
                return String.join("; ", said);
            }
            String merged = answer(List.of("--model", whole.toString()), said, "answers alike");
            if (!isRounded(training)) {
                assertEquals(answer, merged, "the merged model answers otherwise");
            }
        }
        isDone(
                List.of(
                        "export",
                        "--model",
                        whole.toString(),
                        "--output",
                        at.resolve("m.gguf").toString(),
                        "--type",
                        "f32"),
                said,
                "exported");
        Path small = at.resolve("small");
        if (isDone(
                List.of("quantize", "--model", whole.toString(), "--output", small.toString(), "--block-size", "32"),
                said,
                "quantised")) {
            answer(List.of("--model", small.toString()), said, "answers in 4 bits");
        }
        return String.join("; ", said);
    }

    /** Whether it trained on other numbers than those of the base's files. */
    private static boolean isRounded(RandomTraining training) {
        return training.settings().keySet().stream()
                .anyMatch(List.of("load_in_4bit", "load_in_8bit", "dtype")::contains);
    }

    /** The loss of the held-out records is the one that the training measured last, where it did after its last step. */
    private static void measure(RandomTraining training, Path output, List<String> trained, List<String> said)
            throws IOException {
        List<String> eval = new ArrayList<>(List.of("eval"));
        eval.addAll(trained);
        eval.addAll(List.of("--config", training.config().toString(), "--json"));
        CommandRun run = require(eval);
        said.add(run.exitCode() == 0 ? "measured" : "not measured");
        boolean draws = DRAWING.contains(String.valueOf(training.settings().get("stage")));
        if (run.exitCode() != 0
                || draws
                || isRounded(training)
                || training.settings().containsKey("load_best_model_at_end")) {
            return;
        }
        JsonNode last = null;
        int steps = 0;
        for (JsonNode event : TrainingFiles.metrics(output)) {
            if (event.path("event").asText().equals("evaluation")) {
                last = event;
            } else if (event.path("event").asText().equals("end")) {
                steps = event.path("step").asInt();
            }
        }
        JsonNode measured = Json.parse(run.out().get(run.out().size() - 1), "eval");
        if (last != null && last.path("step").asInt() == steps && measured.has("loss") && last.has("loss")) {
            double expected = last.path("loss").asDouble();
            assertEquals(
                    expected,
                    measured.path("loss").asDouble(),
                    1e-4 * Math.abs(expected),
                    () -> "eval gives another loss: " + run.out());
            said.add("as the training did");
        }
    }

    private static String answer(List<String> model, List<String> said, String word) {
        List<String> generate = new ArrayList<>(List.of("generate"));
        generate.addAll(model);
        generate.addAll(List.of("--prompt", PROMPT, "--max-new-tokens", "6", "--temperature", "0"));
        CommandRun run = require(generate);
        said.add(run.exitCode() == 0 ? word : "no answer");
        return String.join("\n", run.out());
    }

    private static boolean isDone(List<String> command, List<String> said, String word) {
        CommandRun run = require(command);
        said.add(run.exitCode() == 0 ? word : "not " + word);
        return run.exitCode() == 0;
    }

    private static CommandRun require(List<String> command) {
        CommandRun run = RanksComparison.run(command);
        if (run.err().stream().anyMatch(line -> line.startsWith("\tat ")) || run.exitCode() == 1) {
            fail(command + ": exit code " + run.exitCode() + "\n" + String.join("\n", run.err()));
        }
        if (run.exitCode() == 2) {
            assertEquals(1, run.errors().size(), () -> "not one line\n" + String.join("\n", run.err()));
        }
        return run;
    }
}
