package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.Json;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PlanCommandTest {

    private static final String LLAMA_7B = """
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000, "hidden_size": 4096,
             "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
             "num_key_value_heads": 32, "max_position_embeddings": 4096, "tie_word_embeddings": false}
            """;

    @TempDir
    Path directory;

    private Path config;

    @BeforeEach
    void writeConfiguration() {
        config = directory.resolve("config.json");
        TrainingFiles.write(config, LLAMA_7B);
    }

    @Test
    void proposesALayoutThatFitsForAModelWithoutWeights() {
        CommandRun run =
                CommandRun.of("plan", "--model", directory.toString(), "--devices", "8", "--memory", "80G", "--json");
        assertEquals(0, run.exitCode(), run.toString());
        JsonNode plan = Json.parse(run.out().get(0), "plan");
        assertEquals(6_738_415_616L, plan.get("parameters").asLong());
        assertTrue(plan.get("proposal").get("peak").asLong() <= 80_000_000_000L, run.toString());
        assertEquals(4, plan.get("stages").size());
    }

    @Test
    void showsTablesAndDrawsThem() {
        Path page = directory.resolve("plan.html");
        CommandRun run =
                CommandRun.of("plan", "--model", config.toString(), "--devices", "4", "--html", page.toString());
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(run.out().get(0).contains("proposed: dp=4"), run.toString());
        assertTrue(run.out().stream().anyMatch(line -> line.startsWith(" 1024 devices")), run.toString());
        assertTrue(Files.exists(page));
    }

    @Test
    void plansTheTrainingOfAConfiguration() {
        TrainingFiles files = new TrainingFiles(directory);
        CommandRun run = CommandRun.of(
                "plan", "--model", files.config.toString(), "--devices", "2", "--memory", "8GiB", "--json", "r=8");
        assertEquals(0, run.exitCode(), run.toString());
        JsonNode plan = Json.parse(run.out().get(0), "plan");
        assertTrue(plan.get("trainable_parameters").asLong()
                < plan.get("parameters").asLong());
        assertEquals(64, plan.get("sequence_length").asInt());
    }

    @Test
    void saysHowManyDevicesWouldDo() {
        CommandRun run = CommandRun.of("plan", "--model", config.toString(), "--devices", "1", "--memory", "80G");
        CommandRun.assertRefused(run, "nothing fits on 1 device with 80.0 GB", "it fits on 2 devices");
    }

    @ParameterizedTest
    @CsvSource({
        "--devices,0,1 to",
        "--memory,lots,such as 80G",
        "--dtype,int5,--dtype",
        "--model,nowhere,there is no nowhere"
    })
    void refusesWhatCannotBe(String option, String value, String part) {
        String devices = option.equals("--devices") ? value : "1";
        String memory = option.equals("--memory") ? value : "80G";
        String model = option.equals("--model") ? value : config.toString();
        String dtype = option.equals("--dtype") ? value : "float32";
        CommandRun.assertRefused(
                CommandRun.of("plan", "--model", model, "--devices", devices, "--memory", memory, "--dtype", dtype),
                part);
    }

    @Test
    void readsDecimalAndBinarySizes() {
        assertEquals(80_000_000_000L, ClusterOptions.bytes("80G"));
        assertEquals(80L << 30, ClusterOptions.bytes("80 GiB"));
        assertEquals(1_500_000_000_000L, ClusterOptions.bytes("1.5tb"));
        assertEquals(1000, ClusterOptions.bytes("1000"));
    }
}
