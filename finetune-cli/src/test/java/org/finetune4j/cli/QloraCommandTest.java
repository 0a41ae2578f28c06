package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** QLoRA by configuration: a base that is quantised while it is read, and one that was quantised before. */
@Tag("slow")
class QloraCommandTest {

    private static final List<String> FOUR_BITS = List.of(
            "load_in_4bit=true",
            "bnb_4bit_quant_type=nf4",
            "bnb_4bit_use_double_quant=true",
            "device=cpu",
            "gradient_checkpointing=true",
            "target_modules=all-linear");

    private static final List<String> LEARN = List.of("max_steps=60", "learning_rate=5e-3");

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void unpack() {
        files = new TrainingFiles(directory);
    }

    @Test
    void anAdapterLearnsOnTopOfABaseInFourBits() {
        CommandRun validated = run("validate", FOUR_BITS);
        assertEquals(0, validated.exitCode(), validated.toString());
        assertTrue(validated.out().contains("everything is in order"), validated.toString());

        CommandRun trained = run("train", FOUR_BITS, LEARN, List.of("bnb_4bit_compute_dtype=float32"));
        assertEquals(0, trained.exitCode(), trained.toString());
        assertEquals(List.of("In Oslo."), answer(files.model));
    }

    @Test
    void aQuantisedModelIsABaseLikeAnyOther() {
        Path quantised = directory.resolve("quantised");
        CommandRun written = CommandRun.of(
                "quantize",
                "--model",
                files.model.toString(),
                "--output",
                quantised.toString(),
                "--type",
                "nf4",
                "--double-quant");
        assertEquals(0, written.exitCode(), written.toString());
        assertTrue(size(quantised) < size(files.model), "the file is smaller");

        CommandRun trained = run(
                "train",
                LEARN,
                List.of("model_name_or_path=" + quantised, "target_modules=all-linear", "gradient_checkpointing=true"));
        assertEquals(0, trained.exitCode(), trained.toString());
        assertEquals(List.of("In Oslo."), answer(quantised));
    }

    @Test
    void anAdapterMergesIntoAQuantisedBase() {
        Path quantised = directory.resolve("quantised");
        CommandRun written = CommandRun.of(
                "quantize", "--model", files.model.toString(), "--output", quantised.toString(), "--double-quant");
        assertEquals(0, written.exitCode(), written.toString());
        CommandRun trained = run("train", LEARN, List.of("model_name_or_path=" + quantised, "target_modules=[q_proj]"));
        assertEquals(0, trained.exitCode(), trained.toString());

        Path plain = directory.resolve("plain");
        CommandRun merged = merge(quantised, plain);
        assertEquals(0, merged.exitCode(), merged.toString());
        assertTrue(size(plain) > 2 * size(quantised), "plain weights, those that were not adapted as well");
        Path packed = directory.resolve("packed");
        CommandRun again = merge(quantised, packed, "--requantize");
        assertEquals(0, again.exitCode(), again.toString());
        assertEquals(size(quantised), size(packed), 64);
        assertTrue(again.out().stream().anyMatch(line -> line.contains("nats a token")), again.toString());

        CommandRun refused = merge(files.model, directory.resolve("no"), "--requantize");
        assertEquals(2, refused.exitCode(), refused.toString());
        assertEquals(1, refused.errors().size(), refused.toString());
    }

    private CommandRun merge(Path base, Path output, String... options) {
        List<String> arguments = new ArrayList<>(List.of(
                "merge",
                "--model",
                base.toString(),
                "--adapter",
                files.output.toString(),
                "--output",
                output.toString()));
        arguments.addAll(List.of(options));
        return CommandRun.of(arguments.toArray(String[]::new));
    }

    @ParameterizedTest
    @ValueSource(strings = {"adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit"})
    void aRunThatWasCutGoesOnExactly(String optimizer) throws Exception {
        // With this rank the matrices have more than 4096 values, so that their moments are in 8 bits.
        List<String> settings = List.of(
                "optim=" + optimizer,
                "r=64",
                "load_in_4bit=true",
                "target_modules=[q_proj]",
                "lr_scheduler_type=constant",
                "save_steps=2");
        Path whole = directory.resolve("whole");
        Path cut = directory.resolve("cut");
        CommandRun run = run("train", settings, List.of("max_steps=4", "output_dir=" + whole));
        assertEquals(0, run.exitCode(), run.toString());
        assertEquals(
                0,
                run("train", settings, List.of("max_steps=2", "output_dir=" + cut))
                        .exitCode());
        CommandRun resumed =
                run("train", settings, List.of("max_steps=4", "output_dir=" + cut, "resume_from_checkpoint=true"));
        assertEquals(0, resumed.exitCode(), resumed.toString());
        assertArrayEquals(adapter(whole), adapter(cut));
    }

    /** Paged moments and offloaded activations with next to no memory for them: only slower. */
    @Test
    void whatIsMovedToFilesGivesTheSameWeights() throws Exception {
        List<String> settings = List.of(
                "r=64", "load_in_4bit=true", "target_modules=[q_proj]", "max_steps=3", "gradient_checkpointing=true");
        Path inMemory = directory.resolve("memory");
        Path inFiles = directory.resolve("files");
        CommandRun fits = run("train", settings, List.of("optim=adamw_8bit", "output_dir=" + inMemory));
        assertEquals(0, fits.exitCode(), fits.toString());
        CommandRun moved = run(
                "train",
                settings,
                List.of(
                        "optim=paged_adamw_8bit",
                        "optim_args={resident_mb: 0.02, directory: " + directory.resolve("states") + "}",
                        "activation_offloading=true",
                        "output_dir=" + inFiles));
        assertEquals(0, moved.exitCode(), moved.toString());
        assertArrayEquals(adapter(inMemory), adapter(inFiles));

        CommandRun refused = run("train", List.of("activation_offloading=true"));
        assertEquals(2, refused.exitCode(), refused.toString());
        assertEquals(1, refused.errors().size(), refused.toString());
    }

    @Test
    void aTypeThatACpuDoesNotCalculateInIsRefused() {
        CommandRun run = run("validate", FOUR_BITS, List.of("bnb_4bit_compute_dtype=bfloat16"));
        assertEquals(2, run.exitCode(), run.toString());
        assertEquals(1, run.errors().size(), run.toString());
        assertTrue(
                run.errors().get(0).contains("'bnb_4bit_compute_dtype' is bfloat16, expected float32"), run.toString());
    }

    @Test
    void fullFineTuningOfAQuantisedModelIsRefused() {
        CommandRun run = run("train", List.of("method=full", "load_in_4bit=true"));
        assertEquals(2, run.exitCode(), run.toString());
        assertEquals(1, run.errors().size(), run.toString());
    }

    @SafeVarargs
    private CommandRun run(String command, List<String>... overrides) {
        List<String> all = new ArrayList<>();
        for (List<String> some : overrides) {
            all.addAll(some);
        }
        return files.run(command, all.toArray(String[]::new));
    }

    private List<String> answer(Path model) {
        CommandRun run = files.generate(model, "Q: Where does Tom live?\nA:\n", "--max-new-tokens", "12");
        assertEquals(0, run.exitCode(), run.toString());
        return run.out();
    }

    private static byte[] adapter(Path output) throws Exception {
        return Files.readAllBytes(output.resolve("adapter_model.safetensors"));
    }

    private static long size(Path model) {
        return model.resolve("model.safetensors").toFile().length();
    }
}
