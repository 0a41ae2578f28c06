package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.finetune4j.Json;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.model.safetensors.SafetensorsWriter.Entry;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The language model of a checkpoint that reads images, under every spelling that such checkpoints have. */
class TextCheckpointTest {

    private static final ModelInputs INPUTS = ModelInputs.of(5, 9, 7, 4, 11);

    @TempDir
    private Path directory;

    @ParameterizedTest
    @CsvSource({
        "gemma3_text, model., model.language_model.",
        "gemma3_text, '', language_model.",
        "llama, model., model.text_model.",
        "qwen3_moe, '', language_model.",
        "ministral3, model., model.language_model.",
        "mistral, '', ''"
    })
    void theLanguageModelIsWhatItWasWithin(String name, String begins, String becomes) throws IOException {
        Path whole = wrap(
                name,
                tensor -> tensor.startsWith(begins) ? becomes + tensor.substring(begins.length()) : tensor,
                config -> {});
        ModelConfig text = TextCheckpoint.write(whole, directory.resolve("text"));
        assertEquals(ModelConfig.load(GoldenModels.directory(name)).architecture(), text.architecture());
        try (TensorScope scope = TensorScope.open();
                CausalLM expected = CausalLM.load(GoldenModels.directory(name));
                CausalLM found = CausalLM.load(directory.resolve("text"))) {
            assertArrayEquals(
                    expected.logits(INPUTS).toFloatArray(), found.logits(INPUTS).toFloatArray(), 1e-5f);
            assertEquals(expected.network().isTied(), found.network().isTied());
        }
    }

    /** Gemma 3 4B says as little of its language model. */
    @Test
    void sizesThatTheClassHasByItselfAreWrittenDown() throws IOException {
        Path whole = wrap("gemma3_text", tensor -> "language_model." + tensor, config -> {
            ObjectNode text = (ObjectNode) config.get("text_config");
            text.remove(List.of("max_position_embeddings", "sliding_window_pattern"));
        });
        ModelConfig text = TextCheckpoint.write(whole, directory.resolve("text"));
        assertEquals(131_072, text.positive("max_position_embeddings"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "text_config         | | there is no 'text_config'",
                "model_type          | rwkv | model_type 'rwkv', is not implemented",
                "quantization_config | bitsandbytes | 'quantization_config'"
            })
    void whatCannotBeTakenOutIsNamed(String key, String value, String problem) throws IOException {
        Path whole = wrap("llama", tensor -> "language_model." + tensor, config -> {
            switch (key) {
                case "text_config" -> config.remove(key);
                case "model_type" -> ((ObjectNode) config.get("text_config")).put(key, value);
                default -> config.putObject(key).put("quant_method", value);
            }
        });
        assertRefused(whole, problem);
    }

    @Test
    void aTensorThatIsMissingIsNamedAndNothingIsWritten() throws IOException {
        Path whole = wrap(
                "llama",
                tensor -> tensor.equals("model.norm.weight") ? "elsewhere" : "language_model." + tensor,
                config -> {});
        assertRefused(whole, "no tensor 'model.norm.weight' of a language model");
    }

    private void assertRefused(Path whole, String problem) {
        Path target = directory.resolve("text");
        String message = assertThrows(UserErrorException.class, () -> TextCheckpoint.write(whole, target))
                .getMessage();
        assertTrue(message.contains(problem), message);
        assertFalse(Files.exists(target));
    }

    private Path wrap(String name, UnaryOperator<String> rename, Consumer<ObjectNode> change) throws IOException {
        Path source = GoldenModels.directory(name);
        Path whole = Files.createDirectories(directory.resolve("whole"));
        ObjectNode text = (ObjectNode) TestJson.read(source.resolve("config.json"));
        text.remove("architectures");
        ObjectNode config = (ObjectNode) TestJson.parse("""
                {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "dtype": "float32",
                 "vision_config": {"hidden_size": 4}}""");
        config.set("text_config", text);
        change.accept(config);
        Files.write(whole.resolve("config.json"), Json.bytes(config));
        try (TensorScope scope = TensorScope.open()) {
            List<Entry> entries = new ArrayList<>();
            entries.add(Entry.of("vision_tower.weight", Tensors.ones(DType.FLOAT32, Device.CPU, 4)));
            List<SafetensorsFile> files = new ArrayList<>();
            try (var listed = Files.list(source)) {
                for (Path file : listed.filter(
                                path -> path.getFileName().toString().matches("model.*\\.safetensors"))
                        .toList()) {
                    files.add(SafetensorsFile.open(file));
                }
            }
            files.forEach(file ->
                    file.names().forEach(tensor -> entries.add(Entry.of(rename.apply(tensor), file.tensor(tensor)))));
            SafetensorsWriter.write(whole.resolve("model.safetensors"), entries, Map.of());
            files.forEach(SafetensorsFile::close);
        }
        return whole;
    }
}
