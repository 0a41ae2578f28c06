package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ModelWriterTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/arch");

    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"llama", "llama-tied", "llama-rope-llama3", "gpt2"})
    void aLoadedModelIsWrittenAsSavePretrainedWroteIt(String name) throws IOException {
        Path source = GOLDENS.resolve(name);
        try (CausalLM model = CausalLM.load(source)) {
            model.save(directory);
        }
        for (String file : new String[] {"model.safetensors", "generation_config.json"}) {
            assertArrayEquals(
                    Files.readAllBytes(source.resolve(file)), Files.readAllBytes(directory.resolve(file)), file);
        }
        assertEquals(
                ModelConfig.load(source).toString(), ModelConfig.load(directory).toString());
    }

    @Test
    void aModelIsSavedOverTheDirectoryItIsMappedFrom() throws IOException {
        for (String file : new String[] {"config.json", "model.safetensors"}) {
            Files.copy(GOLDENS.resolve("llama").resolve(file), directory.resolve(file));
        }
        byte[] before = Files.readAllBytes(directory.resolve("model.safetensors"));
        try (CausalLM model = CausalLM.load(directory)) {
            model.save(directory);
            model.save(directory);
        }
        assertArrayEquals(before, Files.readAllBytes(directory.resolve("model.safetensors")));
    }

    @Test
    void theDtypeCanBeChosenAndIsSaidInTheConfiguration() {
        try (CausalLM model = CausalLM.load(GOLDENS.resolve("llama"))) {
            ModelWriter.of(model).dtype(DType.BFLOAT16).maxShardBytes(40_000).write(directory);
        }
        assertTrue(Files.exists(directory.resolve("model.safetensors.index.json")));
        assertEquals(DType.BFLOAT16, ModelConfig.load(directory).storageDType());
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(directory)) {
            assertEquals(
                    DType.BFLOAT16,
                    model.network().inputEmbedding().weight().value().dtype());
            assertEquals(DType.FLOAT32, model.logits(ModelInputs.of(1, 2, 3)).dtype());
        }
    }
}
