package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What ranks ask others for, measure and say, where each of them knows something else. */
class RanksTellAsOneProcessTest {

    private static final double TOLERANCE = 1e-5;

    @TempDir
    private Path directory;

    private TrainingFiles files;

    @BeforeEach
    void writeFiles() {
        files = new TrainingFiles(directory);
        TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
    }

    private CommandRun alone(String... settings) {
        return run(List.of("train"), "alone", settings);
    }

    private CommandRun ranks(String mesh, String... settings) {
        return run(List.of("launch", "--nproc", "2", "--local", "--mesh", mesh, "train"), "ranks", settings);
    }

    private CommandRun run(List<String> command, String output, String... settings) {
        List<String> all = new ArrayList<>(command);
        all.addAll(List.of(files.config.toString(), "output_dir=" + directory.resolve(output), "report_to=html"));
        all.addAll(List.of(settings));
        return CommandRun.of(all.toArray(String[]::new));
    }

    private static void requireDone(CommandRun run) {
        assertEquals(0, run.exitCode(), run.toString());
    }

    /** A rank may have answers of one kind alone: by how much the others are better is asked for when all have said theirs. */
    @Test
    void marginsBetweenAnswersOfSeveralRanks() {
        TrainingFiles.write(files.data, """
                {"prompt": "Where does Tom live?", "completion": " In Oslo.", "label": true}
                {"prompt": "What is the pet of Tom?", "completion": " A cat.", "label": false}
                {"prompt": "What does Tom eat?", "completion": " They eat soup.", "label": true}
                """);
        String[] settings = {
            "stage=kto",
            "method=full",
            "loss_type=apo_zero_unpaired",
            "shuffle=false",
            "optim=sgd",
            "learning_rate=1",
            "per_device_train_batch_size=3",
            "max_steps=3"
        };
        requireDone(alone(settings));
        requireDone(ranks("dp=2", settings));
        RanksComparison.Difference difference =
                RanksComparison.compare(directory.resolve("alone"), directory.resolve("ranks"), TOLERANCE);
        assertTrue(difference.largest() <= TOLERANCE, difference.toString());
        List<JsonNode> steps = TrainingFiles.metrics(directory.resolve("ranks")).stream()
                .map(line -> line.path("metrics"))
                .filter(metrics -> metrics.has("rewards/chosen"))
                .toList();
        JsonNode last = steps.get(steps.size() - 1);
        double margin = last.path("rewards/chosen").asDouble()
                - last.path("rewards/rejected").asDouble();
        assertTrue(margin > 0.01, "a margin that tells the two ways apart");
        assertEquals(margin, last.path("rewards/margins").asDouble(), 1e-9);
    }

    /** It may say something else each time: it is asked once for all ranks. */
    @ParameterizedTest
    @ValueSource(strings = {"dp=2", "tp=2", "pp=2"})
    void aRewardThatAProgramGives(String mesh) throws IOException {
        TrainingFiles.write(
                files.data, "{\"prompt\": \"Where does Tom live?\"}\n{\"prompt\": \"What does Tom eat, and why?\"}\n");
        Path asked = directory.resolve("asked");
        Path program = directory.resolve("reward.sh");
        TrainingFiles.write(program, "cat > /dev/null; echo asked >> \"$1\"\n");
        String[] settings = {
            "stage=grpo",
            "r=2",
            "reward_funcs=[{type: command, command: [sh, " + program + ", " + asked + "]}]",
            "stop_on_identical_answers=false",
            "eval_file=" + files.data,
            "eval_steps=1",
            "num_generations=2",
            "max_completion_length=4",
            "gradient_accumulation_steps=2",
            "max_steps=2"
        };
        requireDone(alone(settings));
        String expected = Files.readString(asked);
        Files.delete(asked);
        requireDone(ranks(mesh, settings));
        assertEquals(expected, Files.readString(asked), "as often as by one process");
    }

    /** A rank has some gradients, or parts of them, and an idle one none: all say together where the first number is that is none. */
    @ParameterizedTest
    @CsvSource({"dp=2, 1", "dp=2, 2", "pp=2, 0"})
    void thePlaceOfANumberThatIsNone(String mesh, int stage) {
        // Squares of such numbers are infinite: what is divided by them is zero, and gradients are the first that are
        // none.
        Path huge = RandomModel.moved(files.model, directory.resolve("huge"), 1e25);
        String[] settings = {
            "model_name_or_path=" + huge,
            "method=full",
            "gradient_accumulation_steps=2",
            "per_device_train_batch_size=1",
            "zero_stage=" + stage
        };
        assertEquals(place(alone(settings)), place(ranks(mesh, settings)));
    }

    private static String place(CommandRun run) {
        CommandRun.assertRefused(run, "the first number that is none is in the gradient of");
        return run.errors().get(0).replaceAll("loss is [^ ]+", "loss is ...");
    }
}
