package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.finetune4j.Json;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The stages of preferences by configuration: what is preferred is learned, and mistakes are one line. */
@Tag("slow")
class PreferenceStageTest {

    private static final List<String> PLACES = List.of("Oslo", "Rome", "Paris", "Bonn", "Lima", "Cairo");
    private static final Path GOLDENS = Path.of("../finetune-rlhf/src/test/resources/goldens/pref");
    private static final Path POLICY = Path.of("../finetune-core/src/test/resources/goldens/arch/llama");

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void prepare() {
        files = new TrainingFiles(directory);
        write(files.data, pairs(24, 1));
    }

    private static void write(Path file, List<String> lines) {
        TrainingFiles.write(file, String.join("\n", lines) + "\n");
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

    private static List<String> judged(int count) {
        List<String> lines = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String place = PLACES.get(i % PLACES.size());
            lines.add("""
                    {"prompt": "Where does Tom live?", "completion": "%s %s.", "label": %s}""".formatted(i % 2 == 0 ? " In" : " Not in", place, i % 2 == 0));
        }
        return lines;
    }

    private CommandRun train(String... more) {
        List<String> keys = new ArrayList<>(List.of(
                "report_to=html",
                "eval_fraction=0.25",
                "eval_strategy=steps",
                "eval_steps=5",
                "max_steps=5",
                "learning_rate=5e-3",
                "per_device_train_batch_size=6"));
        keys.addAll(List.of(more));
        return files.train(keys.toArray(String[]::new));
    }

    @ParameterizedTest
    @CsvSource({"dpo", "orpo", "simpo", "cpo"})
    void everyStageTellsHeldOutPairsApart(String stage) throws IOException {
        CommandRun run =
                train("stage=" + stage, "metric_for_best_model=rewards/accuracies", "load_best_model_at_end=true");
        assertEquals(0, run.exitCode(), run.toString());
        JsonNode scores = files.events("evaluation").get(1).path("scores");
        assertTrue(scores.path("rewards/accuracies").doubleValue() >= 0.9, scores.toString());
        assertTrue(files.events("step").get(0).toString().contains("rewards/margins"), run.toString());
        assertTrue(Files.exists(files.output.resolve("adapter_model.safetensors")));
    }

    /** What the instructions were put in goes along with the adapter, so that it can be asked in it. */
    @Test
    void instructionsAreAskedInTheFormThatTheyWereLearnedIn() throws IOException {
        write(
                files.data,
                pairs(12, 1).stream()
                        .map(line -> line.replace("\"prompt\"", "\"instruction\""))
                        .toList());
        CommandRun run = files.train("stage=dpo", "max_steps=2");
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(Files.readString(files.output.resolve("chat_template.jinja")).contains("Q: "), run.toString());
        CommandRun asked = CommandRun.of(
                "generate",
                "--model",
                files.model.toString(),
                "--adapter",
                files.output.toString(),
                "--chat",
                "--prompt",
                "Where does Tom live?",
                "--max-new-tokens",
                "4");
        assertEquals(0, asked.exitCode(), asked.toString());
    }

    @Test
    void judgedAnswersAreLearnedFrom() throws IOException {
        write(files.data, judged(24));
        CommandRun run = train("stage=kto", "beta=0.5");
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(0.5, files.events("step").get(0).path("loss").doubleValue(), 1e-5);
        assertTrue(files.events("step").get(4).path("loss").doubleValue() < 0.49, run.toString());
    }

    @Test
    void fullFineTuningGoesOnWithTheReferenceItBeganWith() throws IOException {
        TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        String[] keys = {"stage=dpo", "method=full", "learning_rate=1e-3", "save_steps=2", "save_strategy=steps"};
        List<String> first = new ArrayList<>(List.of(keys));
        first.add("max_steps=4");
        assertEquals(0, train(first.toArray(String[]::new)).exitCode());
        Path kept = files.output.resolve("reference-logprobs-train.safetensors");
        byte[] before = Files.readAllBytes(kept);
        List<String> second = new ArrayList<>(List.of(keys));
        second.add("resume_from_checkpoint=true");
        CommandRun run = train(second.toArray(String[]::new));
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(before.length, Files.readAllBytes(kept).length);
        double last = files.events("step")
                .get(files.events("step").size() - 1)
                .path("loss")
                .doubleValue();
        assertTrue(last < Math.log(2) - 0.02, "the reference stayed where it was: " + last);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "stage=dpo loss_type=sigmoidd            | there is no loss_type 'sigmoidd'",
                "stage=dpo label_smoothing=0.1           | 'label_smoothing' changes nothing with loss_type sigmoid",
                "stage=dpo loss_type=robust label_smoothing=0.5 | label_smoothing is 0.5",
                "stage=dpo f_divergence_type=js_divergense | 'f_divergence_type'",
                "stage=dpo f_divergence_type=forward_kl loss_type=nca_pair | has no loss_type nca_pair",
                "stage=dpo loss_type=discopop discopop_tau=0 | discopop_tau is 0.0",
                "stage=dpo discopop_tau=0.1              | 'discopop_tau'",
                "stage=dpo f_alpha_divergence_coef=0.1   | 'f_alpha_divergence_coef'",
                "stage=dpo beta=0                        | 'beta'",
                "stage=dpo beta=x                        | 'beta'",
                "stage=dpo loss_weights=[1,2]            | 'loss_weights'",
                "stage=dpo simpo_gamma=1                 | 'simpo_gamma'",
                "stage=orpo precompute_ref_log_probs=true | 'precompute_ref_log_probs'",
                "stage=cpo loss_type=robust              | 'loss_type'",
                "stage=kto                               | learns from single answers",
                "stage=dpo reference_free=true precompute_ref_log_probs=true | changes nothing with reference_free: true",
                "stage=dpo loss_type=aot use_weighting=true | 'use_weighting'",
                "stage=dpo max_length=3                  | max_length is 3"
            })
    void mistakesAreOneLine(String keys, String expected) {
        CommandRun run = train(keys.trim().split(" "));
        assertEquals(2, run.exitCode(), run.toString());
        assertEquals(1, run.errors().size(), run.toString());
        assertTrue(run.errors().get(0).contains(expected.trim()), run.toString());
        assertTrue(run.errors().get(0).length() < 2000);
    }

    @Test
    void aJudgementThatIsNoTruthValueIsNamedWithItsPlace() throws IOException {
        for (String label : List.of("\"yes\"", "1", "[true]")) {
            Path judged = directory.resolve("judged.jsonl");
            Files.writeString(judged, "{\"prompt\": \"Who?\", \"completion\": \" Tom\", \"label\": " + label + "}\n");
            CommandRun run = train("stage=kto", "train_file=" + judged);
            assertRefused(run, "judged.jsonl:1: 'label' must be true or false, got ");
        }
    }

    @Test
    void aModelWithoutAnAdapterHasNoReferenceToBeMeasuredAgainst() {
        assertRefused(
                CommandRun.of(
                        "eval", "--model", files.model.toString(), "--data", files.data.toString(), "--", "stage=dpo"),
                "measure an adapter on its base");
        CommandRun without = CommandRun.of(
                "eval", "--model", files.model.toString(), "--data", files.data.toString(), "--", "stage=simpo");
        assertEquals(0, without.exitCode(), without.toString());
        assertTrue(without.toString().contains("rewards/accuracies"), without.toString());
    }

    @Test
    void aFolderOfRecordedNumbersIsRecomputed() throws IOException {
        CommandRun run = CommandRun.of("verify", "--model", POLICY.toString(), "--pref", GOLDENS.toString());
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals("all equal within the limits", run.out().get(run.out().size() - 1));
        Path other = directory.resolve("pref");
        Files.createDirectories(other);
        for (String name : List.of("batch.safetensors", "logps.safetensors", "losses.safetensors")) {
            Files.copy(GOLDENS.resolve(name), other.resolve(name));
        }
        String golden = Files.readString(GOLDENS.resolve("golden.json"))
                .replace(
                        "\"pref/reference\"",
                        Json.write(GOLDENS.resolve("reference").toAbsolutePath().toString()));
        Files.writeString(other.resolve("golden.json"), golden);
        CommandRun lacking = CommandRun.of("verify", "--model", POLICY.toString(), "--pref", other.toString());
        assertEquals(Main.FAILURE, lacking.exitCode());
        assertTrue(lacking.out().stream().anyMatch(line -> line.startsWith("MISMATCH  ppo ")), lacking.toString());
    }
}
