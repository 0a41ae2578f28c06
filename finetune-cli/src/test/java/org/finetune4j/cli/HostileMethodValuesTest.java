package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whatever a method's hyper-parameters are, a training ends: done, or with exit code 2 and one line. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Tag("slow")
class HostileMethodValuesTest {

    private static final List<String> VALUES = List.of("0", "-1", "1000000000", ".nan", "text", "null", "[-1, x]");

    private TrainingFiles files;

    @BeforeAll
    void prepare(@TempDir Path directory) throws IOException {
        files = new TrainingFiles(directory);
        HostileFilesTest.shrink(files.model);
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "lora, use_dora lora_alpha lora_dropout r loraplus_lr_ratio bias",
        "vera, r d_initial projection_prng_key save_projection vera_dropout init_weights",
        "adalora, init_r target_r lora_alpha lora_dropout tinit tfinal deltaT beta1 beta2 orth_reg_weight total_step",
        "ia3, target_modules feedforward_modules init_ia3_weights",
        "loha, r alpha rank_dropout module_dropout init_weights rank_pattern alpha_pattern",
        "lokr, r alpha rank_dropout module_dropout decompose_factor decompose_both init_weights",
        "prefix_tuning, num_virtual_tokens prefix_projection encoder_hidden_size prompt_tuning_init",
        "prompt_tuning, num_virtual_tokens prompt_tuning_init prompt_tuning_init_text",
        "multitask_prompt_tuning, num_tasks num_ranks prompt_tuning_init_task",
        "p_tuning, num_virtual_tokens encoder_hidden_size encoder_num_layers encoder_dropout",
        "adapter, adapter_type bottleneck_size reduction_factor non_linearity scaling adapter_dropout leave_out",
        "freeze, num_layers",
        "bitfit, target_modules",
        "ln_tuning, target_modules"
    })
    @Timeout(300)
    void absurdValuesAreTakenOrRefusedInOneLine(String method, String keys) throws IOException {
        List<String> faults = new ArrayList<>();
        int refused = 0;
        for (String key : keys.split(" ")) {
            for (String value : VALUES) {
                String setting = key + "=" + value;
                AtomicFiles.deleteTree(files.output);
                List<String> overrides = new ArrayList<>(List.of("method=" + method, "max_steps=1", setting));
                if (method.equals("lora") && key.startsWith("lora")) {
                    overrides.add("use_dora=true");
                }
                TrainingFiles.write(files.config, config());
                CommandRun run = files.train(overrides.toArray(String[]::new));
                String fault = HostileCommands.fault("train", run, 0);
                if (run.errors().toString().contains("unknown key")) {
                    faults.add(method + " has no key " + key);
                }
                if (fault != null) {
                    faults.add(method + " " + setting + ": " + fault);
                }
                refused += run.exitCode() == 2 ? 1 : 0;
            }
        }
        assertEquals(List.of(), faults);
        assertTrue(refused > 0, "nothing was refused");
    }

    private String config() {
        return """
                model_name_or_path: %s
                train_file: %s
                output_dir: %s
                prompt_template: "Q: {instruction}\\nA:\\n"
                per_device_train_batch_size: 1
                max_length: 64
                report_to: none
                num_preview_samples: 0
                threads: 1
                """.formatted(files.model, files.data, files.output);
    }
}
