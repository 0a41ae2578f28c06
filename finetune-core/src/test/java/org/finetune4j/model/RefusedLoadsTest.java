package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.NativeMemory;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Loads that fail after much of the model was built give its memory back. */
@Tag("slow")
class RefusedLoadsTest {

    private static final Path MAPS = Path.of("/proc/self/maps");
    private static final int LOADS = 20;

    /** Some of what was freed is kept; a leak takes 4 or 8 MB a load. */
    private static final long ALLOWED = 16L << 20;

    @TempDir
    Path directory;

    /** A model of 8 MB, most of it in an embedding that is read first. */
    private void write(int layers) {
        ModelConfig config = ModelConfig.parse("""
                {"architectures": ["LlamaForCausalLM"], "vocab_size": 16384, "hidden_size": 128,
                 "intermediate_size": 16, "num_hidden_layers": %d, "num_attention_heads": 2,
                 "tie_word_embeddings": true, "dtype": "float32", "max_position_embeddings": 64}
                """.formatted(layers), "a model");
        try (CausalLM model = CausalLM.initialize(config, null, Device.CPU, 3)) {
            model.save(directory);
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', textBlock = """
            a layer too few in the file  | "num_hidden_layers": 2 | "num_hidden_layers": 3  |
            a layer too many in the file | "num_hidden_layers": 2 | "num_hidden_layers": 1  |
            another shape in each layer  | "intermediate_size": 16 | "intermediate_size": 20 |
            a tokenizer that is none     |                        |                         | {
            a tokenizer without a model  |                        |                         | {"version": "1.0", "model": null}
            a tokenizer that cannot be   |                        |                         | {"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}}
            """)
    void leaveNeitherMemoryNorMappings(String what, String old, String replacement, String tokenizer)
            throws IOException {
        assumeTrue(Files.isReadable(MAPS));
        write(2);
        Path config = directory.resolve("config.json");
        if (old != null) {
            String text = Files.readString(config);
            assertTrue(text.replace(" : ", ": ").contains(old), text);
            Files.writeString(config, text.replace(" : ", ": ").replace(old, replacement));
        }
        if (tokenizer != null) {
            Files.writeString(directory.resolve("tokenizer.json"), tokenizer);
        }
        LoadOptions converted = LoadOptions.defaults().withDType(DType.BFLOAT16);
        long leaked = NativeMemory.leak(() -> {
            for (int load = 0; load < LOADS; load++) {
                refuse(load % 2 == 0 ? converted : LoadOptions.defaults());
            }
        });
        assertEquals(0, mappings());
        assertTrue(leaked < ALLOWED, (leaked >> 20) + " MB more after every " + LOADS + " refused loads");
    }

    @Test
    void weightsThatAreWholeNumbersAreRefused() throws IOException {
        write(1);
        try (TensorScope scope = TensorScope.open()) {
            Path file = directory.resolve("model.safetensors");
            List<SafetensorsWriter.Entry> entries;
            try (SafetensorsFile reader = SafetensorsFile.open(file)) {
                entries = reader.names().stream()
                        .map(name -> SafetensorsWriter.Entry.of(
                                name,
                                Tensors.zeros(
                                        DType.INT8,
                                        Device.CPU,
                                        reader.info(name).shape())))
                        .toList();
            }
            SafetensorsWriter.write(file, entries, Map.of());
        }
        String message = assertThrows(UserErrorException.class, () -> CausalLM.load(directory))
                .getMessage();
        assertTrue(message.contains("int8"), message);
    }

    private void refuse(LoadOptions options) {
        assertThrows(UserErrorException.class, () -> CausalLM.load(directory, options));
    }

    private long mappings() throws IOException {
        return Files.readAllLines(MAPS).stream()
                .filter(line -> line.contains(directory.getFileName().toString()))
                .count();
    }
}
