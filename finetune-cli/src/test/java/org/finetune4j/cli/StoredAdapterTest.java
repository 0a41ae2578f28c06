package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.InputFiles;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.strategy.StoredAdapter;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** An adapter that was trained before trains on. */
class StoredAdapterTest {

    private static final String WEIGHTS = "adapter_model.safetensors";

    @TempDir
    private Path directory;

    private TrainingFiles files;
    private Path first;

    @BeforeEach
    void trainOnce() {
        files = new TrainingFiles(directory);
        first = directory.resolve("first");
        TrainingFiles.edit(files.config, "r: 4\ntarget_modules: [q_proj, v_proj]\n", "");
        CommandRun run = files.train(
                "r=3",
                "lora_alpha=7",
                "target_modules=[q_proj, o_proj]",
                "output_dir=" + first,
                "report_to=html",
                "max_steps=6",
                "learning_rate=1e-2");
        assertEquals(0, run.exitCode(), run.toString());
    }

    private List<JsonNode> steps(Path output) {
        return TrainingFiles.metrics(output).stream()
                .filter(line -> line.has("grad_norm"))
                .toList();
    }

    @Test
    void itBeginsWhereItEndedAndKeepsItsSettings() {
        Path second = directory.resolve("second");
        CommandRun run = files.train(
                "adapter_name_or_path=" + first,
                "output_dir=" + second,
                "report_to=html",
                "max_steps=2",
                "learning_rate=1e-3");
        assertEquals(0, run.exitCode(), run.toString());
        double before = steps(first).get(0).path("loss").doubleValue();
        double after = steps(second).get(0).path("loss").doubleValue();
        assertTrue(after < 0.9 * before, after + " after " + before);
        JsonNode settings = InputFiles.json(second.resolve("adapter_config.json"));
        assertEquals(3, settings.path("r").intValue());
        assertEquals(7, settings.path("lora_alpha").intValue());
        assertEquals(
                InputFiles.json(first.resolve("adapter_config.json")).path("target_modules"),
                settings.path("target_modules"));
    }

    @Test
    void withoutALearningRateToSpeakOfNothingMoves() {
        Path second = directory.resolve("second");
        CommandRun run = files.train(
                "adapter_name_or_path=" + first,
                "output_dir=" + second,
                "report_to=html",
                "max_steps=1",
                "learning_rate=1e-20");
        assertEquals(0, run.exitCode(), run.toString());
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile expected = SafetensorsFile.open(first.resolve(WEIGHTS));
                SafetensorsFile found = SafetensorsFile.open(second.resolve(WEIGHTS))) {
            assertEquals(expected.names(), found.names());
            for (String name : expected.names()) {
                assertArrayEquals(
                        expected.tensor(name).toFloatArray(), found.tensor(name).toFloatArray(), 1e-7f, name);
            }
        }
    }

    /** What can be said of a kind is said by the kind: nothing of prefixes goes into weights. */
    @Test
    void aPrefixKeepsWhatItsKindSays() {
        Path prefix = directory.resolve("prefix");
        CommandRun run =
                files.train("method=prefix_tuning", "num_virtual_tokens=3", "output_dir=" + prefix, "max_steps=1");
        assertEquals(0, run.exitCode(), run.toString());
        StoredAdapter stored = StoredAdapter.of(prefix);
        assertEquals("prefix_tuning", stored.method());
        assertFalse(stored.mergesIntoBase());
        assertTrue(StoredAdapter.of(first).mergesIntoBase());
        CommandRun more = files.train(
                "method=null",
                "adapter_name_or_path=" + prefix,
                "output_dir=" + directory.resolve("more"),
                "max_steps=1");
        assertEquals(0, more.exitCode(), more.toString());
    }

    @Test
    void anotherMethodOrNoAdapterIsRefused() {
        CommandRun.assertRefused(
                files.train("adapter_name_or_path=" + first, "method=ia3"), "'method' is ia3, expected lora");
        CommandRun.assertRefused(files.train("adapter_name_or_path=" + first, "r=4"), "which brings its own");
        CommandRun.assertRefused(files.train("adapter_name_or_path=" + files.model), "no adapter that can be read");
    }

    /** As in TRL, the reference of preferences is what the training starts from, not the base below the adapter. */
    @Test
    void itsOwnBeginningIsTheReferenceOfPreferences() {
        TrainingFiles.write(files.data, """
                {"prompt": "Where does Tom live?", "chosen": " In Oslo.", "rejected": " Not in Oslo."}
                {"prompt": "Where does Mia live?", "chosen": " In Rome.", "rejected": " Not in Rome."}
                """);
        Path second = directory.resolve("second");
        CommandRun run = files.train(
                "stage=dpo",
                "adapter_name_or_path=" + first,
                "output_dir=" + second,
                "report_to=html",
                "max_steps=2",
                "learning_rate=1e-3");
        assertEquals(0, run.exitCode(), run.toString());
        JsonNode step = steps(second).get(0);
        assertEquals(Math.log(2), step.path("loss").doubleValue(), 1e-6, step.toString());
        assertEquals(0, step.path("metrics").path("rewards/chosen").doubleValue(), 1e-6, step.toString());
    }

    /** As in TRL's GRPO; a divergence from the bare base would be there before the first update. */
    @ParameterizedTest
    @CsvSource({"grpo, beta=0.1", "ppo, kl_coef=0.1", "online_dpo, beta=0.1"})
    void itsOwnBeginningIsTheReferenceOfAPolicy(String stage, String price) {
        TrainingFiles.write(
                files.data, "{\"prompt\": \"Where does Tom live?\"}\n{\"prompt\": \"What does Mia eat?\"}\n");
        Path second = directory.resolve("second");
        CommandRun run = files.train(
                "stage=" + stage,
                "adapter_name_or_path=" + first,
                "output_dir=" + second,
                "report_to=html",
                "reward_funcs=[{type: length, max: 9}]",
                "max_completion_length=5",
                price,
                stage.equals("ppo") ? "num_ppo_epochs=1" : "num_generations=2",
                "max_steps=2",
                "learning_rate=1e-2");
        assertEquals(0, run.exitCode(), run.toString());
        List<Double> divergences = TrainingFiles.metrics(second).stream()
                .map(line -> line.path("metrics").path("kl/k2"))
                .filter(JsonNode::isNumber)
                .map(JsonNode::doubleValue)
                .toList();
        assertEquals(0, divergences.get(0), 1e-9);
        assertTrue(divergences.get(1) > 1e-9, divergences.toString());
    }
}
