package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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

    /** What is in files is not in memory; one device of 24 GB then has room for what it has not otherwise. */
    @Test
    void countsWhatIsOffloaded() {
        String files = directory.resolve("files").toString();
        CommandRun.assertRefused(plan("--devices", "2", "--memory", "24G"), "nothing fits on 2 devices");
        JsonNode plan = json(plan(
                "--devices", "2", "--memory", "24G", "--offload-optimizer", files, "--offload-param", files, "--json"));
        JsonNode proposal = plan.get("proposal");
        assertTrue(proposal.get("peak").asLong() <= 24_000_000_000L, proposal.toString());
        // Weights of 2 bytes, and 12 of masters and moments, shared or not.
        assertTrue(proposal.get("in_files").asLong() >= 7L * 6_738_415_616L, proposal.toString());
        assertEquals(
                0,
                json(plan("--devices", "8", "--offload-optimizer", "cpu", "--json"))
                        .at("/proposal/in_files")
                        .asLong());
    }

    @Test
    void looksAtDividedTokensUnlessToldNotTo() {
        String[] ofTwo = {"--devices", "2", "--memory", "400G", "--json", "--sequence-parallel"};
        JsonNode without = json(plan(with(ofTwo, "false")));
        JsonNode with = json(plan(with(ofTwo, "true")));
        for (JsonNode layout : without.get("layouts")) {
            assertFalse(layout.get("sequence_parallel").asBoolean(), layout.toString());
        }
        for (JsonNode layout : with.get("layouts")) {
            assertEquals(
                    layout.get("mesh").asText().contains("tp=2"),
                    layout.get("sequence_parallel").asBoolean(),
                    layout.toString());
        }
    }

    @Test
    void readsTheseKeysOfAConfiguration() {
        TrainingFiles files = new TrainingFiles(directory);
        CommandRun run = CommandRun.of(
                "plan",
                "--model",
                files.config.toString(),
                "--devices",
                "2",
                "--memory",
                "8GiB",
                "--json",
                "sequence_parallel=true",
                "offload_param=" + directory.resolve("files"));
        assertEquals(0, run.exitCode(), run.toString());
        assertTrue(json(run).at("/proposal/in_files").asLong() > 0, run.toString());
    }

    private CommandRun plan(String... arguments) {
        List<String> all = new ArrayList<>(List.of("plan", "--model", config.toString()));
        all.addAll(List.of(arguments));
        return CommandRun.of(all.toArray(String[]::new));
    }

    private static String[] with(String[] arguments, String last) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.add(last);
        return all.toArray(String[]::new);
    }

    private static JsonNode json(CommandRun run) {
        assertEquals(0, run.exitCode(), run.toString());
        return Json.parse(run.out().get(0), "plan");
    }

    /** What trains beside the adapters, of a model whose numbers are never read. */
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "r=8",
                "modules_to_save=[lm_head]",
                "modules_to_save=[embed_tokens, lm_head]",
                "trainable_token_indices=[1, 2]",
                "bias=all",
                "bias=lora_only",
                "init_lora_weights=pissa",
                "init_lora_weights=olora",
                "init_lora_weights=eva",
                "init_lora_weights=loftq",
                "init_lora_weights=true",
                "method=delora",
                "use_dora=true",
                "method=vera",
                "method=loha",
                "method=hra"
            })
    void plansWhateverTrains(String setting) {
        TrainingFiles files = new TrainingFiles(directory);
        CommandRun run = CommandRun.of("plan", "--model", files.config.toString(), "--devices", "2", "--json", setting);
        assertEquals(0, run.exitCode(), run.toString());
        JsonNode plan = Json.parse(run.out().get(0), "plan");
        assertTrue(plan.get("trainable_parameters").asLong() > 0, run.toString());
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
