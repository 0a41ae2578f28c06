package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

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
}
