package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Whatever is in the files of an adapter, of whichever method, generating ends done or with one line. {@code
 * -Dfinetune4j.hostile.sweep.adapters=true} tries every hostile value for every key.
 */
@Tag("slow")
class HostileAdaptersTest {

    private static final int CASES = Integer.getInteger("finetune4j.hostile.adapters", 12);
    private static final int SEED = Integer.getInteger("finetune4j.hostile.seed", 1);

    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "dora",
                "vera",
                "ia3",
                "adalora",
                "loha",
                "lokr",
                "ln_tuning",
                "adapter",
                "prefix_tuning",
                "prompt_tuning",
                "multitask_prompt_tuning",
                "p_tuning"
            })
    void filesOfEveryMethodAreReadOrRefused(String method) throws Exception {
        TrainingFiles files = new TrainingFiles(directory);
        HostileFilesTest.shrink(files.model);
        TrainingFiles.edit(
                files.config, "method: lora\nr: 4\ntarget_modules: [q_proj, v_proj]\n", "method: " + method + "\n");
        CommandRun trained = files.train("max_steps=1");
        assertEquals(0, trained.exitCode(), trained.toString());
        String model = files.model.toString();
        String adapter = files.output.toString();
        Path weights = files.output.resolve("adapter_model.safetensors");
        if (!Files.exists(weights)) {
            weights = files.output.resolve("adapter.safetensors"); // as AdapterHub calls it
        }
        List<String> generate =
                List.of("generate", "--model", model, "--adapter", adapter, "--prompt", "Tom", "--max-new-tokens", "2");
        HostileCommands commands = new HostileCommands(directory, SEED);
        List<HostileCommands.Target> targets = List.of(
                new HostileCommands.Target(
                        files.output.resolve("adapter_config.json"), Mutations::json, List.of(generate)),
                new HostileCommands.Target(weights, Mutations::safetensors, List.of(generate)));
        for (HostileCommands.Target target : targets) {
            commands.requireGood(target);
        }
        commands.attack(targets, CASES, -1);
        if (Boolean.getBoolean("finetune4j.hostile.sweep.adapters")) {
            commands.sweep(targets.get(0));
        }
        commands.requireNoFaults();
    }
}
