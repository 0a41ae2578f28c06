package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.NativeMemory;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Adapters that do not fit, after much of them was made, give its memory back and leave the base as it was. */
class RefusedAdaptersTest {

    private static final int TIMES = 8;

    /** A leak takes 8 MB each time; the C library keeps some of what was freed. */
    private static final long ALLOWED = 16L << 20;

    @TempDir
    Path directory;

    private CausalLM model;
    private float[] before;

    @BeforeEach
    void makeAModel() {
        ModelConfig config = ModelConfig.parse("""
                {"architectures": ["LlamaForCausalLM"], "vocab_size": 16384, "hidden_size": 128,
                 "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                 "tie_word_embeddings": false, "max_position_embeddings": 64}
                """, "a model");
        model = CausalLM.initialize(config, null, Device.CPU, 3);
        before = logits();
    }

    @AfterEach
    void leavesTheBaseAsItWas() {
        assertArrayEquals(before, logits());
        model.close();
    }

    private static Lora large() {
        return Lora.builder()
                .rank(4)
                .targetModules("q_proj")
                .modulesToSave(List.of("embed_tokens"))
                .build();
    }

    @Test
    void filesThatEndTooEarly() throws IOException {
        try (Adapter adapter = (Adapter) large().attach(model)) {
            adapter.save(directory);
        }
        Path weights = directory.resolve("adapter_model.safetensors");
        byte[] all = Files.readAllBytes(weights);
        Files.write(weights, Arrays.copyOf(all, all.length - 8));
        flat(() -> assertThrows(UserErrorException.class, () -> AdapterFormat.load(model, directory, false)));
    }

    @Test
    void filesOfAnotherRank() throws IOException {
        try (Adapter adapter = (Adapter) large().attach(model)) {
            adapter.save(directory);
        }
        Path config = directory.resolve("adapter_config.json");
        Files.writeString(config, Files.readString(config).replaceAll("\"r\"\\s*:\\s*4", "\"r\": 5"));
        flat(() -> assertThrows(UserErrorException.class, () -> AdapterFormat.load(model, directory, false)));
    }

    @Test
    void aSecondOneAtTheSamePlace() {
        try (Adapter first = (Adapter) large().attach(model)) {
            flat(() -> assertThrows(UserErrorException.class, () -> large().attach(model)));
        }
    }

    @Test
    void aSecondOneOfASetBesideAnActiveOne() {
        try (AdapterSet adapters = AdapterSet.of(model)) {
            adapters.add("first", large());
            adapters.activate("first");
            FineTuningStrategy misspelt = Lora.builder()
                    .rank(4)
                    .targetModules("q_proj")
                    .modulesToSave(List.of("embed_tokens", "lm_heat"))
                    .build();
            flat(() -> assertThrows(UserErrorException.class, () -> adapters.add("second", misspelt)));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"POLY", "TINYLORA"})
    void typesOfPeftThatAreNotBuilt(String type) throws IOException {
        Path config = directory.resolve("adapter_config.json");
        Files.writeString(config, "{\"peft_type\": \"" + type + "\", \"r\": 4}");
        String message = assertThrows(UserErrorException.class, () -> AdapterFormat.load(model, directory, false))
                .getMessage();
        assertTrue(message.startsWith(config + ": 'peft_type' is " + type + ", which is not built here"), message);
    }

    private static void flat(Runnable refused) {
        long leaked = NativeMemory.leak(() -> {
            for (int time = 0; time < TIMES; time++) {
                refused.run();
            }
        });
        assertTrue(leaked < ALLOWED, (leaked >> 20) + " MB more after every " + TIMES + " refusals");
    }

    private float[] logits() {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(ModelInputs.of(3, 4, 5)).toFloatArray();
        }
    }
}
