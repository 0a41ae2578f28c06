package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Methods outside of linear layers on the command line: train, resume, generate, what cannot be merged; many adapters. */
@Tag("slow")
class MethodCommandTest {

    private static final String PROMPT = "Q: Where does Tom live?\nA:\n";

    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "method=adapter adapter_type=houlsby bottleneck_size=16",
                "method=prefix_tuning num_virtual_tokens=4 prefix_projection=true encoder_hidden_size=16",
                "method=ptuning_v2 num_virtual_tokens=4 prompt_tuning_init_text=Answer",
                "method=prompt_tuning num_virtual_tokens=4 prompt_tuning_init_text=Answer",
                "method=multitask_prompt_tuning num_virtual_tokens=4 num_ranks=2",
                "method=p_tuning num_virtual_tokens=4 encoder_reparameterization_type=LSTM encoder_hidden_size=16"
            })
    void aMethodTrainsResumesAndGenerates(String settings) {
        TrainingFiles files = withoutLora();
        List<String> overrides = new ArrayList<>(Arrays.asList(settings.split(" ")));
        overrides.add("report_to=none");
        CommandRun first = files.train(with(overrides, "max_steps=2"));
        assertEquals(0, first.exitCode(), first.toString());
        CommandRun second = files.train(with(overrides, "max_steps=4", "resume_from_checkpoint=true"));
        assertEquals(0, second.exitCode(), second.toString());
        assertTrue(Files.exists(files.output.resolve("adapter_config.json")));

        CommandRun generated = files.generate(files.model, PROMPT, "--max-new-tokens", "4");
        assertEquals(0, generated.exitCode(), generated.toString());

        CommandRun merged = CommandRun.of(
                "merge",
                "--model",
                files.model.toString(),
                "--adapter",
                files.output.toString(),
                "--output",
                directory.resolve("merged").toString());
        assertEquals(2, merged.exitCode());
        assertTrue(merged.errors().get(0).contains("keep the adapter beside its model"), merged.toString());
    }

    /** A configuration without LoRA's keys and without a learning rate. */
    private TrainingFiles withoutLora() {
        TrainingFiles files = new TrainingFiles(directory);
        for (String line : List.of("r: 4", "target_modules: [q_proj, v_proj]", "learning_rate: 1e-3")) {
            TrainingFiles.edit(files.config, line + "\n", "");
        }
        return files;
    }

    private static String[] with(List<String> overrides, String... more) {
        List<String> all = new ArrayList<>(overrides);
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "method=prompt_tuning prompt_tuning_init=TXT",
                "method=prompt_tuning prompt_tuning_init=TEXT",
                "method=ptuning_v2 prefix_projection=true",
                "method=p_tuning encoder_reparameterization_type=LSTN",
                "method=multitask_prompt_tuning num_tasks=0",
                "method=adapter adapter_type=pfeifer",
                "method=adapter non_linearity=rellu",
                "method=adapter bottleneck_size=8 reduction_factor=4",
                "method=adapter leave_out=[9]"
            })
    void whatCannotBeUsedIsRefusedInOneLine(String settings) {
        CommandRun run = withoutLora().train(settings.split(" "));
        assertEquals(2, run.exitCode(), run.toString());
        assertEquals(1, run.errors().size(), run.toString());
        String last = settings.substring(settings.lastIndexOf(' ') + 1);
        String culprit = last.startsWith("non_linearity") ? "rellu" : last.substring(0, last.indexOf('='));
        assertTrue(run.errors().get(0).contains(culprit), run.toString());
    }

    @Test
    void manyAdaptersAreTimed() {
        TrainingFiles files = new TrainingFiles(directory);
        assertEquals(0, files.train("max_steps=1", "report_to=none").exitCode());
        CommandRun run = CommandRun.of(
                "bench",
                "adapters",
                "--model",
                files.model.toString(),
                "--adapters",
                files.output.toString(),
                files.output.toString(),
                "--switches",
                "10",
                "--json");
        assertEquals(0, run.exitCode(), run.toString());
        String line = run.out().get(0);
        for (String key : List.of("load_ms", "switch_ms", "slowest_switch_ms", "base_batch_ms", "mixed_batch_ms")) {
            assertTrue(line.contains("\"" + key + "\":"), line);
        }
        assertNotEquals(
                0,
                CommandRun.of(
                                "bench",
                                "adapters",
                                "--model",
                                files.model.toString(),
                                "--adapters",
                                files.output.toString())
                        .exitCode());
    }
}
