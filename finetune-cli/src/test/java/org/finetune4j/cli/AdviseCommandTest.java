package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
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

    @ParameterizedTest(name = "--model {0}, {1} tokens, {2} records, {3} devices")
    @CsvSource({
        "'', 192, 3, 1",
        "config.json, 192, 3, 1", // a training needs the directory
        "'', 100000, 3, 1", // more than the model sees
        "'', 192, 9223372036854775807, 1",
        "'', 192, 60000, 8"
    })
    void itsConfigurationPassesValidateAsItIs(String file, String tokens, String records, String devices) {
        TrainingFiles files = new TrainingFiles(directory);
        Path advice = directory.resolve("advice.yaml");
        CommandRun run = CommandRun.of(
                "advise",
                "--model",
                files.model.resolve(file).toString(),
                "--records",
                records,
                "--tokens",
                tokens,
                "--devices",
                devices,
                "--memory",
                "40G",
                "--train-file",
                files.data.toString(),
                "--output",
                advice.toString());
        assertEquals(0, run.exitCode(), run.toString());
        CommandRun validated = CommandRun.of("validate", advice.toString());
        assertEquals(0, validated.exitCode(), validated.toString());
    }

    /** All weights of 7B and their states are 107 GB: a device has room for them as far as they are shared. */
    @Test
    void theMemoryThatIsToldIsThatOfTheConfiguration() throws IOException {
        CommandRun run = advise("7B", "--records 500000 --devices 8 --memory 80G --json");
        Map<String, Object> advice = Json.toMap(Json.parse(run.out().get(0), "advice"));
        Map<?, ?> configuration = (Map<?, ?>) advice.get("configuration");
        assertTrue(configuration.get("zero_stage") instanceof Number stage && stage.intValue() >= 1, run.toString());
    }

    /** Reasons are those of what is advised: packed weights are nothing to full fine-tuning, 1,024 copies make updates of 1,024. */
    @Test
    void reasonsAreThoseOfTheAdvice() throws IOException {
        String full = advise("135M", "--records 100000 --devices 1 --high-accuracy --json")
                .out()
                .get(0);
        assertEquals("full", Json.toMap(Json.parse(full, "advice")).get("method"));
        assertFalse(full.contains("QLoRA"), full);
        String many =
                advise("135M", "--records 1000 --devices 1024 --json").out().get(0);
        assertTrue(many.contains("an update has 1024, where 16 would do"), many);
        assertTrue(many.contains("fewer than 20 updates"), many);
    }

    @Test
    void endlessRecordsAreNoFewUpdates() throws IOException {
        CommandRun run = advise("135M", "--records " + Long.MAX_VALUE + " --devices 1 --json");
        assertEquals(0, run.exitCode(), run.toString());
        Map<String, Object> advice = Json.toMap(Json.parse(run.out().get(0), "advice"));
        assertFalse(String.valueOf(advice.get("reasons")).contains("fewer than 20 updates"), run.toString());
        assertTrue(((Number) advice.get("seconds")).doubleValue() > 1e15, run.toString());
    }

    @Test
    void aModelThatFitsNowhereIsToldWithWhatItNeeds() {
        assertRefused(advise("70B", "--records 1000 --devices 1 --memory 24G"), "even QLoRA needs", "22.4 GiB");
    }

    @Test
    void aModelThatIsNoDecoderIsRefusedByItsName() {
        Path bert = directory.resolve("bert.json");
        TrainingFiles.write(bert, """
                {"architectures": ["BertForSequenceClassification"], "model_type": "bert", "hidden_size": 64, "num_hidden_layers": 2,
                 "num_attention_heads": 4, "intermediate_size": 128, "vocab_size": 100, "max_position_embeddings": 64,
                 "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12}
                """);
        for (String command : List.of("advise --records 1000", "plan")) {
            List<String> arguments = new ArrayList<>(List.of(command.split(" ")));
            arguments.addAll(List.of("--model", bert.toString(), "--devices", "1"));
            assertRefused(CommandRun.of(arguments.toArray(String[]::new)), "BertForSequenceClassification is ");
        }
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
