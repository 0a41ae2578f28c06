package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The decision matrix of surveys of fine-tuning, as far as the planner says that it fits. */
class AdviseCommandTest {

    private static final String LLAMA = """
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": %d, "num_hidden_layers": %d,
             "num_attention_heads": %d, "num_key_value_heads": %d, "intermediate_size": %d, "vocab_size": 32000,
             "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": false}
            """;

    @TempDir
    Path directory;

    private Path model(String size) {
        Path config = directory.resolve(size + ".json");
        TrainingFiles.write(
                config,
                switch (size) {
                    case "70B" -> LLAMA.formatted(8192, 80, 64, 8, 28672);
                    case "7B" -> LLAMA.formatted(4096, 32, 32, 32, 11008);
                    default -> LLAMA.formatted(576, 30, 9, 3, 1536);
                });
        return config;
    }

    private CommandRun advise(String size, String options) {
        List<String> arguments =
                new ArrayList<>(List.of("advise", "--model", model(size).toString()));
        arguments.addAll(List.of(options.split(" ")));
        return CommandRun.of(arguments.toArray(String[]::new));
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource(
            delimiter = '|',
            value = {
                // much data and eight large devices: all weights; four or fewer: QLoRA
                "7B   | --records 500000 --devices 8 --memory 80G                 | full  | all weights can learn",
                "7B   | --records 500000 --devices 4 --memory 80G                 | qlora | few for so much data",
                "7B   | --records 100000 --devices 6 --memory 80G                 | lora  | 6 devices",
                // little data: an adapter
                "7B   | --records 1000 --devices 8 --memory 80G                   | lora  | little data",
                "7B   | --records 1000 --devices 1 --memory 24G                   | qlora | little data",
                // several tasks: an adapter each
                "7B   | --records 500000 --devices 8 --memory 80G --tasks 5       | lora  | 5 tasks on one base",
                "7B   | --records 2000 --devices 1 --memory 24G --tasks 12        | qlora | 12 tasks on one base",
                // low latency: what merges
                "7B   | --records 1000 --devices 8 --memory 80G --low-latency     | lora  | ./finetune merge folds",
                // accuracy first: all weights, where they fit
                "7B   | --records 100000 --devices 8 --memory 80G --high-accuracy | full  | accuracy counts most",
                "7B   | --records 100000 --devices 1 --memory 24G --high-accuracy | qlora | full would be preferred and does not fit",
                // a model that is small for its device, where the matrix is contradicted
                "135M | --records 1000 --devices 1 --memory 24G                   | lora  | LoRA in place of QLoRA",
                "70B  | --records 20000 --devices 1 --memory 80G                  | qlora | QLoRA, for four devices or fewer",
            })
    void whatTheSituationAsksForIsAdvised(String size, String options, String method, String reason)
            throws IOException {
        CommandRun run = advise(size, options + " --json");
        assertEquals(0, run.exitCode(), run.toString());
        Map<String, Object> advice = Json.toMap(Json.parse(run.out().get(0), "advice"));
        assertEquals(method, advice.get("method"), run.toString());
        assertTrue(String.valueOf(advice.get("reasons")).contains(reason), run.toString());
        double memory = Double.parseDouble(options.replaceAll(".*--memory (\\d+)G.*", "$1")) * 1e9;
        assertTrue(((Number) advice.get("peak_bytes")).doubleValue() <= memory, run.toString());
        assertTrue(((Number) advice.get("seconds")).doubleValue() > 0, run.toString());
        @SuppressWarnings("unchecked")
        Map<String, Object> configuration = (Map<String, Object>) advice.get("configuration");
        assertEquals(method.equals("full") ? "full" : "lora", configuration.get("method"));
        assertEquals(method.equals("qlora"), configuration.containsKey("load_in_4bit"));
        TrainingSettings.of(new Settings("advice", configuration)); // refuses what train would refuse
    }

    @Test
    void itsConfigurationPassesValidateAsItIs() {
        TrainingFiles files = new TrainingFiles(directory);
        Path advice = directory.resolve("advice.yaml");
        CommandRun run = CommandRun.of(
                "advise",
                "--model",
                files.model.toString(),
                "--records",
                "3",
                "--tokens",
                "192",
                "--devices",
                "1",
                "--memory",
                "8G",
                "--train-file",
                files.data.toString(),
                "--output",
                advice.toString());
        assertEquals(0, run.exitCode(), run.toString());
        CommandRun validated = CommandRun.of("validate", advice.toString());
        assertEquals(0, validated.exitCode(), validated.toString());
    }

    @Test
    void aModelThatFitsNowhereIsToldWithWhatItNeeds() {
        assertRefused(advise("70B", "--records 1000 --devices 1 --memory 24G"), "even QLoRA needs", "22.4 GiB");
    }

    @ParameterizedTest
    @CsvSource({
        "--records 0 --devices 1,--records",
        "--records 5 --devices 1 --tasks 0,--tasks",
        "--records 5 --devices 0,--devices"
    })
    void numbersBelowOneAreRefused(String options, String expected) {
        assertRefused(advise("135M", options), expected);
    }
}
