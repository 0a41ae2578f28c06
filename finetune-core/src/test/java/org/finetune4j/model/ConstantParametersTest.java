package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Numbers of a model that are no weights: read and saved with them, trained by nobody. */
class ConstantParametersTest {

    private static final String CORRECTION = "model.layers.1.mlp.gate.e_score_correction_bias";

    @ParameterizedTest
    @CsvSource({"apertus, 4", "glm4_moe, 2", "llama, 0"})
    void fullFineTuningLeavesThemAlone(String name, long expected) {
        try (CausalLM model = CausalLM.load(GoldenModels.directory(name));
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            assertFalse(full.trainableParameters().stream().anyMatch(Parameter::isConstant));
            assertEquals(
                    expected,
                    model.network().allParameters().stream()
                            .filter(Parameter::isConstant)
                            .filter(parameter -> !parameter.isTrainable())
                            .count());
            assertTrue(model.network().allParameters().stream()
                    .allMatch(parameter -> parameter.isConstant() || parameter.isTrainable()));
        }
    }

    /** As transformers keeps a router's correction, half precision or not. */
    @Test
    void theyKeepTheirTypeWhereWeightsAreSavedInHalfPrecision(@TempDir Path directory) {
        try (CausalLM model = CausalLM.load(GoldenModels.directory("glm4_moe"))) {
            ModelWriter.of(model).dtype(DType.BFLOAT16).write(directory);
        }
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile file = SafetensorsFile.open(directory.resolve("model.safetensors"))) {
            assertEquals(DType.FLOAT32, file.tensor(CORRECTION).dtype());
            assertEquals(
                    DType.BFLOAT16,
                    file.tensor("model.layers.1.mlp.gate.weight").dtype());
        }
    }
}
