package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every way a model directory can be wrong gives one line that says what and where. */
class ModelLoadingErrorsTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");

    @TempDir
    Path directory;

    @BeforeEach
    void copyAModel() throws IOException {
        for (String file : new String[] {"config.json", "model.safetensors"}) {
            Files.copy(LLAMA.resolve(file), directory.resolve(file));
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                "LlamaForCausalLM"                  | "LamaForCausalLM"                  | LlamaForCausalLM
                "hidden_act": "silu"                | "hidden_act": "sillu"              | did you mean
                "hidden_size": 48                   | "hidden_size": 60                  | [199, 60]
                "hidden_size": 48                   | "hidden_size": "much"              | hidden_size
                "vocab_size": 199                   | "vocab_size": 200                  | model.embed_tokens.weight
                "num_hidden_layers": 2              | "num_hidden_layers": 3             | model.layers.2
                "num_hidden_layers": 2              | "num_hidden_layers": 1             | model.layers.1
                "num_key_value_heads": 2            | "num_key_value_heads": 3           | num_key_value_heads
                "attention_bias": false             | "attention_bias": true             | q_proj.bias
                "rope_type": "default"              | "rope_type": "longhope"            | longrope
                "rope_type": "default"              | "rope_type": "llama3"              | factor
                "tie_word_embeddings": false        | "tie_word_embeddings": 3           | tie_word_embeddings
                "use_cache": true                   | "sliding_window": 8                | sliding_window
                "dtype": "float32"                  | "dtype": "float23"                 | float32
                """)
    void aConfigurationThatCannotBeHonouredIsRefused(String old, String replacement, String expected)
            throws IOException {
        Path config = directory.resolve("config.json");
        String text = Files.readString(config);
        assertTrue(text.contains(old), old);
        Files.writeString(config, text.replace(old, replacement));
        assertRefused(expected);
    }

    @Test
    void brokenJsonIsRefused() throws IOException {
        Files.writeString(directory.resolve("config.json"), "{");
        assertRefused("config.json");
    }

    @Test
    void missingWeightsAreRefused() throws IOException {
        Files.delete(directory.resolve("model.safetensors"));
        assertRefused("no weights");
    }

    @Test
    void truncatedWeightsAreRefused() throws IOException {
        Path file = directory.resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        Files.write(file, Arrays.copyOf(bytes, bytes.length / 2));
        assertRefused("truncated");
    }

    @Test
    void aDirectoryThatIsNotThereIsRefused() {
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> CausalLM.load(directory.resolve("nowhere")));
        assertTrue(e.getMessage().contains("nowhere"), e.getMessage());
    }

    private void assertRefused(String expected) {
        UserErrorException e = assertThrows(UserErrorException.class, () -> {
            try (CausalLM model = CausalLM.load(directory)) {
                model.config();
            }
        });
        assertTrue(e.getMessage().contains(expected), e.getMessage());
        assertFalse(e.getMessage().contains("\n"), e.getMessage());
    }
}
