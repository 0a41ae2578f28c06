package org.finetune4j.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.GoldenModels;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every quantity that transformers recorded for a model: logits, loss, gradients, padded, packed and generated. */
class ArchitectureParityTest {

    @ParameterizedTest
    @MethodSource("org.finetune4j.model.GoldenModels#names")
    void everythingThatTransformersRecordedIsReproduced(String name) {
        Path directory = GoldenModels.directory(name);
        List<Check> checks = new ArrayList<>();
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(directory)) {
            boolean passed = new GoldenVerifier(model, null, Tolerances.defaults())
                    .verify(directory.resolve("golden.safetensors"), checks::add);
            assertEquals(
                    List.of(), checks.stream().filter(check -> !check.passed()).toList());
            assertTrue(passed);
        }
        assertTrue(checks.size() >= 10, () -> "only " + checks.size() + " quantities were compared");
    }
}
