package org.finetune4j.quant.bitsandbytes;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Parameter;
import org.finetune4j.quant.FourBitWeight;
import org.finetune4j.quant.Quantization;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.verify.Check;
import org.finetune4j.verify.GoldenVerifier;
import org.finetune4j.verify.Tolerances;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints that transformers saved in 4 bits: read, computed with, trained on, and written back byte for byte. */
class BitsAndBytesCheckpointTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/quant");
    private static final Path LLAMA = Path.of("../finetune-core/src/test/resources/goldens/arch/llama");

    @ParameterizedTest
    @ValueSource(strings = {"llama-bnb4", "qwen2-bnb4"})
    void everythingThatWasRecordedIsReproduced(String name) {
        Path directory = GOLDENS.resolve(name);
        List<Check> checks = new ArrayList<>();
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(directory);
                Adapter adapter = AdapterFormat.load(model, directory.resolve("qlora"), true)) {
            boolean passed = new GoldenVerifier(model, adapter, Tolerances.defaults())
                    .verify(directory.resolve("golden.safetensors"), checks::add);
            assertEquals(
                    List.of(), checks.stream().filter(check -> !check.passed()).toList());
            assertTrue(passed);
        }
        assertEquals(2 + 2 + 2 * 7 * 2, checks.size());
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama-bnb4", "qwen2-bnb4"})
    void whatIsWrittenBackIsTheSame(String name, @TempDir Path out) throws IOException {
        Path directory = GOLDENS.resolve(name);
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(directory)) {
            model.save(out);
        }
        assertSameTensors(directory.resolve("model.safetensors"), out.resolve("model.safetensors"));
        ModelConfig written = ModelConfig.load(out);
        assertEquals(
                ModelConfig.load(directory).node("quantization_config").path("bnb_4bit_use_double_quant"),
                written.node("quantization_config").path("bnb_4bit_use_double_quant"));
        try (CausalLM again = CausalLM.load(out)) {
            assertNotNull(projection(again).compressed());
        }
    }

    @Test
    void quantisingThePlainCheckpointGivesTheSameFile(@TempDir Path out) {
        LoadOptions options =
                LoadOptions.defaults().withCompression(Quantization.qlora().compression());
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(LLAMA, options)) {
            model.save(out);
        }
        assertSameTensors(GOLDENS.resolve("llama-bnb4/model.safetensors"), out.resolve("model.safetensors"));
    }

    @Test
    void eightBitsSurviveARoundTrip(@TempDir Path out) {
        Quantization eight = Quantization.of(QuantizationType.INT8);
        try (TensorScope scope = TensorScope.open();
                CausalLM plain = CausalLM.load(LLAMA);
                CausalLM model = CausalLM.load(LLAMA, LoadOptions.defaults().withCompression(eight.compression()))) {
            model.save(out);
            try (CausalLM again = CausalLM.load(out)) {
                float[] first = projection(model).as(DType.FLOAT32).toFloatArray();
                assertArrayEquals(first, projection(again).as(DType.FLOAT32).toFloatArray());
                assertArrayEquals(projection(plain).value().toFloatArray(), first, 4e-3f);
            }
        }
    }

    @Test
    void aQuantisedWeightRefusesToTrain() {
        try (CausalLM model = CausalLM.load(GOLDENS.resolve("llama-bnb4"))) {
            UserErrorException error = assertThrows(UserErrorException.class, () -> new FullFineTuning().attach(model));
            assertTrue(error.getMessage().contains("quantised and cannot train"), error.getMessage());
            assertThrows(IllegalStateException.class, () -> projection(model).value());
        }
    }

    @Test
    void anotherKindOfQuantisationIsRefused(@TempDir Path directory) throws IOException {
        Files.copy(LLAMA.resolve("model.safetensors"), directory.resolve("model.safetensors"));
        ModelConfig.load(LLAMA)
                .withQuantization(Map.of("quant_method", "gptq", "bits", 4))
                .save(directory);
        UserErrorException error = assertThrows(UserErrorException.class, () -> CausalLM.load(directory));
        assertTrue(error.getMessage().contains("gptq"), error.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"linear4bit-nf4", "linear4bit-nf4-nested", "linear4bit-fp4", "linear4bit-fp4-nested"})
    void aSavedLayerIsTheOneThatWasSaved(String name) {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile state = SafetensorsFile.open(GOLDENS.resolve(name + ".state_dict.safetensors"));
                SafetensorsFile golden = SafetensorsFile.open(GOLDENS.resolve(name + ".golden.safetensors"))) {
            QuantizationType type = name.contains("nf4") ? QuantizationType.NF4 : QuantizationType.FP4;
            try (FourBitWeight weight =
                    FourBitWeight.quantize(golden.tensor("weight"), type, 64, name.endsWith("nested"))) {
                FourBitTensors.of(weight, "weight").forEach((key, tensor) -> {
                    // Numbers are compared as numbers: a mean may differ in its last bit, and then its JSON, too.
                    if (tensor.dtype() == DType.FLOAT32) {
                        assertArrayEquals(state.tensor(key).toFloatArray(), tensor.toFloatArray(), 1e-6f, key);
                    } else if (!key.contains("quant_state")) {
                        assertArrayEquals(state.tensor(key).toByteArray(), tensor.toByteArray(), key);
                    }
                });
                Tensor few = weight.multiply(golden.tensor("x"));
                Tensor many = golden.tensor("x")
                        .matmul(weight.decompress(DType.FLOAT32).t());
                Tensor expected = golden.tensor("y").sub(golden.tensor("bias"));
                assertTrue(few.sub(expected).abs().max().item() < 1e-5);
                assertTrue(many.sub(expected).abs().max().item() < 1e-5);
            }
        }
    }

    private static Parameter projection(CausalLM model) {
        Parameter parameter = model.network().namedParameters().get("model.layers.1.mlp.up_proj.weight");
        assertNotNull(parameter);
        return parameter;
    }

    private static void assertSameTensors(Path expected, Path actual) {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile wanted = SafetensorsFile.open(expected);
                SafetensorsFile found = SafetensorsFile.open(actual)) {
            assertEquals(new HashSet<>(wanted.names()), new HashSet<>(found.names()));
            for (String name : wanted.names()) {
                assertArrayEquals(wanted.info(name).shape(), found.info(name).shape(), name);
                assertEquals(wanted.info(name).dtype(), found.info(name).dtype(), name);
                assertArrayEquals(
                        wanted.tensor(name).viewAs(DType.UINT8).toByteArray(),
                        found.tensor(name).viewAs(DType.UINT8).toByteArray(),
                        name);
            }
        }
    }
}
