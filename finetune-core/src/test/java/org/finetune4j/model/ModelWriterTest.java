package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class ModelWriterTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/arch");

    @TempDir
    Path directory;

    @ParameterizedTest
    @MethodSource("org.finetune4j.model.GoldenModels#names")
    void aLoadedModelIsWrittenAsSavePretrainedWroteIt(String name) throws IOException {
        Path source = GoldenModels.directory(name);
        boolean sharded = Files.exists(source.resolve("model.safetensors.index.json"));
        try (CausalLM model = CausalLM.load(source)) {
            // The recorded shards end where a file would have grown past this size.
            ModelWriter.of(model)
                    .maxShardBytes(sharded ? 100_000 : Long.MAX_VALUE)
                    .write(directory);
        }
        for (String file : files(source)) {
            assertArrayEquals(
                    Files.readAllBytes(source.resolve(file)), Files.readAllBytes(directory.resolve(file)), file);
        }
        assertEquals(
                ModelConfig.load(source).toString(), ModelConfig.load(directory).toString());
    }

    private static List<String> files(Path source) throws IOException {
        try (Stream<Path> files = Files.list(source)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.startsWith("model") || name.equals("generation_config.json"))
                    .toList();
        }
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
