package org.finetune4j.cli;

import static org.finetune4j.cli.CommandRun.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.tensor.Device;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every mistake that a user can make ends a command with exit code 2 and one line that says what to mend, and where. */
class BadInputTest {

    @TempDir
    Path directory;

    private TrainingFiles files;

    @BeforeEach
    void prepare() {
        files = new TrainingFiles(directory);
    }

    @Test
    void missingWeights() throws IOException {
        Files.delete(files.model.resolve("model.safetensors"));
        assertRefused(files.train(), files.model.toString(), "model.safetensors");
    }

    @Test
    void truncatedWeights() throws IOException {
        Path weights = files.model.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        Files.write(weights, Arrays.copyOf(bytes, bytes.length / 2));
        assertRefused(files.train(), weights.toString(), "truncated");
    }

    @Test
    void aMethodThatThereIsNot() {
        assertRefused(files.train("method=qlorra"), "'method'", "qlorra", "auto", "did you mean 'qlora'?");
    }

    @Test
    void anAddressInThePlaceOfAFile() {
        assertRefused(
                files.train("train_file=https://example.com/a.jsonl"), "https://example.com/a.jsonl is an address");
    }

    @Test
    void aPatternThatMatchesNoFile() {
        assertRefused(files.train("train_file=*.nothing"), "no file matches *.nothing");
    }

    @Test
    void anAdapterInThePlaceOfItsBase() {
        assertEquals(0, files.train("max_steps=1").exitCode());
        assertRefused(
                CommandRun.of("generate", "--model", files.output.toString(), "--prompt", "a"),
                files.output + " is an adapter",
                "--adapter");
    }

    /** A result never takes the place of what it is made of, whatever path leads there. */
    @Test
    void anOutputThatIsAnInputIsRefused() throws IOException {
        assertEquals(0, files.train("max_steps=1").exitCode());
        String model = files.model.toString();
        String adapter = files.output.toString();
        Path link = Files.createSymbolicLink(directory.resolve("link"), files.model);
        long before = Files.size(files.model.resolve("model.safetensors"));
        for (String[] command : new String[][] {
            {"quantize", "--model", model, "--output", model},
            {"quantize", "--model", model, "--output", link.toString()},
            {"merge", "--model", model, "--adapter", adapter, "--output", link.toString()},
            {"merge", "--model", model, "--adapter", adapter, "--output", adapter},
            {"merge", "--adapters", adapter, adapter, "--output", adapter},
            {"add-tokens", "--model", model, "--token", "<new>", "--output", model},
            {"delta", "diff", "--base", model, "--model", model, "--output", model + "/model.safetensors"}
        }) {
            assertRefused(CommandRun.of(command), "is what is read");
        }
        assertEquals(before, Files.size(files.model.resolve("model.safetensors")));
    }

    @Test
    void aStageThatThereIsNot() {
        assertRefused(files.train("stage=stf"), "'stage'", "stf", "did you mean 'sft'?");
    }

    @Test
    void aShapeThatTheConfigurationDoesNotHave() {
        TrainingFiles.edit(files.model.resolve("config.json"), "\"vocab_size\" : 1024", "\"vocab_size\" : 1030");
        assertRefused(files.train(), "model.embed_tokens.weight", "[1024, 192]", "[1030, 192]");
    }

    @Test
    void anUnknownArchitecture() {
        TrainingFiles.edit(files.model.resolve("config.json"), "LlamaForCausalLM", "LamaForCausalLM");
        assertRefused(files.train(), "config.json", "'LamaForCausalLM'", "'LlamaForCausalLM'");
    }

    @Test
    void anUnknownKey() {
        assertRefused(files.train("learning_rat=1e-4"), files.config.toString(), "'learning_rat'", "'learning_rate'");
    }

    @Test
    void aTargetThatMatchesNothing() {
        assertRefused(files.train("target_modules=[q_porj]"), "target_modules", "'q_porj'", "'q_proj'");
    }

    @Test
    void aMalformedLine() throws IOException {
        Files.writeString(files.data, TrainingFiles.record("a", "b") + "\n{\"instruction\": \"c\", \n");
        assertRefused(files.train(), files.data + ":2");
    }

    @Test
    void anEmptyDataset() throws IOException {
        Files.writeString(files.data, "");
        assertRefused(files.train(), files.data.toString(), "empty");
    }

    @Test
    void aSampleWithNoRoomForALabel() throws IOException {
        Files.writeString(files.data, TrainingFiles.record("long ".repeat(80), "b") + "\n");
        assertRefused(files.train("truncation=right"), files.data + ":1", "max_length");
    }

    @Test
    void anOutputDirectoryThatCannotBeWritten() throws IOException {
        Path file = Files.writeString(directory.resolve("a-file"), "");
        assertRefused(files.train("output_dir=" + file.resolve("out")), "output_dir", file.toString());
    }

    @Test
    void anAdapterOfAnotherBaseModel() throws IOException {
        assertEquals(0, files.train().exitCode());
        Path other = files.directory.resolve("other");
        ModelConfig twoLayers = ModelConfig.parse(
                Files.readString(files.model.resolve("config.json"))
                        .replace("\"num_hidden_layers\" : 4", "\"num_hidden_layers\" : 2"),
                "a smaller model");
        try (CausalLM model = CausalLM.initialize(twoLayers, null, Device.CPU, 1)) {
            model.save(other);
        }
        Files.copy(files.model.resolve("tokenizer.json"), other.resolve("tokenizer.json"));
        assertRefused(files.generate(other, "a"), "num_hidden_layers", "the adapter was made for " + files.model);
    }

    @Test
    void aConfigurationThatIsNotYaml() throws IOException {
        Files.writeString(files.config, "learning_rate: [1\nmethod: lora\n");
        assertRefused(files.train(), files.config + ":");
    }

    @Test
    void anUnknownCommandSuggestsTheNearest() {
        CommandRun run = CommandRun.of("trian");
        assertEquals(2, run.exitCode());
        assertTrue(
                String.join("\n", run.err()).contains("unknown command 'trian'; did you mean 'train'?"),
                run.err().toString());
    }
}
