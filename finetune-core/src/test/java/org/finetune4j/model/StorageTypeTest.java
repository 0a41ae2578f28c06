package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A checkpoint in any floating-point type is loaded, calculated with, trained and saved in any other. */
class StorageTypeTest {

    @TempDir
    Path directory;

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "BFLOAT16", "FLOAT16"})
    void aCheckpointLoadsAndSavesInEveryType(DType stored) {
        Path first = directory.resolve("first");
        try (CausalLM model = CausalLM.load(GoldenModels.directory("mixtral"))) {
            ModelWriter.of(model).dtype(stored).write(first);
        }
        assertEquals(stored, ModelConfig.load(first).storageDType());
        for (DType loaded : new DType[] {DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16}) {
            Path second = directory.resolve("as-" + loaded);
            try (TensorScope scope = TensorScope.open();
                    CausalLM original = CausalLM.load(first);
                    CausalLM model = CausalLM.load(first, LoadOptions.defaults().withDType(loaded))) {
                assertTrue(model.logits(ModelInputs.of(3, 4, 5)).isFinite());
                model.save(second);
                try (CausalLM again = CausalLM.load(second)) {
                    assertEquals(loaded, again.config().storageDType());
                    assertEqualTensors(original, again, loaded);
                }
            }
        }
    }

    private static void assertEqualTensors(CausalLM original, CausalLM again, DType loaded) {
        Map<String, Parameter> saved = again.network().namedParameters();
        assertEquals(original.network().namedParameters().keySet(), saved.keySet());
        original.network().namedParameters().forEach((name, parameter) -> {
            Tensor expected = parameter.as(loaded);
            Tensor actual = saved.get(name).value();
            assertEquals(loaded, actual.dtype(), name);
            assertArrayEquals(
                    expected.to(DType.FLOAT32).toFloatArray(),
                    actual.to(DType.FLOAT32).toFloatArray(),
                    name);
        });
    }

    @ParameterizedTest
    @EnumSource(names = {"BFLOAT16", "FLOAT16"})
    void onACpuTrainingKeepsItsWeightsInFloat32(DType stored) {
        LoadOptions options = new LoadOptions(Device.CPU, stored);
        try (CausalLM model = CausalLM.load(GoldenModels.directory("llama"), options);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            full.trainableParameters()
                    .forEach(parameter ->
                            assertEquals(DType.FLOAT32, parameter.value().dtype()));
            full.export(directory);
            assertEquals(stored, ModelConfig.load(directory).storageDType());
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"BFLOAT16", "FLOAT16"})
    void onACpuTrainingGivesTheNumbersOfTheSameCheckpointInFloat32(DType stored) {
        Path checkpoint = directory.resolve("stored");
        try (CausalLM model = CausalLM.load(GoldenModels.directory("llama"))) {
            ModelWriter.of(model).dtype(stored).write(checkpoint);
        }
        LoadOptions asStored = LoadOptions.defaults().withDevice(Device.CPU);
        Map<String, float[]> expected = trained(checkpoint, asStored.withDType(DType.FLOAT32));
        Map<String, float[]> found = trained(checkpoint, asStored);
        assertEquals(expected.keySet(), found.keySet());
        expected.forEach((name, values) -> assertArrayEquals(values, found.get(name), name));
    }

    private static Map<String, float[]> trained(Path checkpoint, LoadOptions options) {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(checkpoint, options);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            TrainingArguments arguments = TrainingArguments.builder()
                    .batchSize(4)
                    .maxSteps(5)
                    .learningRate(1e-2)
                    .build();
            Double loss = new Trainer(
                            model,
                            full,
                            arguments,
                            new SyntheticSamples(12, 199, 3),
                            null,
                            new Collator(0, 1),
                            List.of())
                    .train()
                    .finalLoss();
            assertTrue(loss != null && Double.isFinite(loss), String.valueOf(loss));
            Map<String, float[]> values = new HashMap<>();
            model.network().namedParameters().forEach((name, parameter) -> {
                float[] numbers = parameter.value().detach().contiguous().toFloatArray();
                values.put(name, numbers);
            });
            return values;
        }
    }

    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            names = {"FLOAT32", "BFLOAT16", "FLOAT16"})
    void everyOtherTypeIsRefusedWhereverAUserAsksForOne(DType other) {
        LoadOptions options = LoadOptions.defaults();
        for (Executable asking : List.<Executable>of(
                () -> options.withDType(other),
                () -> options.withComputeDType(other),
                () -> new LoadOptions(Device.CPU, other),
                () -> DType.parseChoice("--dtype", other.torchName()),
                () -> DType.parseChoice("--dtype", "torch." + other.torchName()))) {
            String message = assertThrows(UserErrorException.class, asking).getMessage();
            assertTrue(message.contains(other.torchName()), message);
            assertTrue(message.contains("expected float32, bfloat16 or float16"), message);
        }
        try (CausalLM model = CausalLM.load(GoldenModels.directory("llama"))) {
            assertThrows(UserErrorException.class, () -> ModelWriter.of(model).dtype(other));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"int8", "bool", "torch.uint8", "int64", "float23", ""})
    void aConfigurationThatSaysSuchATypeIsRefused(String name) throws IOException {
        for (String file : new String[] {"config.json", "model.safetensors"}) {
            Files.copy(GoldenModels.directory("llama").resolve(file), directory.resolve(file));
        }
        Path config = directory.resolve("config.json");
        String text = Files.readString(config);
        Files.writeString(config, text.replace("\"dtype\": \"float32\"", "\"dtype\": \"" + name + "\""));
        String message = assertThrows(UserErrorException.class, () -> CausalLM.load(directory))
                .getMessage();
        assertTrue(message.contains("config.json") && message.contains("'dtype'"), message);
    }

    @ParameterizedTest
    @CsvSource({"auto,", "fp32,FLOAT32", "half,FLOAT16", "bf16,BFLOAT16", "torch.bfloat16,BFLOAT16", "AUTO,"})
    void theUsualSpellingsAreKnown(String name, DType expected) {
        assertEquals(Optional.ofNullable(expected), DType.parseChoice("--dtype", name));
    }
}
