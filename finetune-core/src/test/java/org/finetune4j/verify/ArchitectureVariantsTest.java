package org.finetune4j.verify;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Less usual settings, one model each, recorded from transformers 5.18 with eager attention: keys that are missing, layers of
 * several kinds, scaled rotations, generation across longrope's boundary, a tied model that has another output layer.
 */
class ArchitectureVariantsTest {

    private static final Path VARIANTS = Path.of("src/test/resources/goldens/variants");

    static List<String> names() throws IOException {
        try (Stream<Path> directories = Files.list(VARIANTS)) {
            return directories
                    .map(directory -> directory.getFileName().toString())
                    .sorted()
                    .toList();
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void everythingThatTransformersRecordedIsReproduced(String name) {
        Path directory = VARIANTS.resolve(name);
        List<Check> checks = new ArrayList<>();
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(directory, LoadOptions.defaults().withComputeDType(DType.FLOAT32))) {
            new GoldenVerifier(model, null, Tolerances.defaults())
                    .verify(directory.resolve("golden.safetensors"), checks::add);
        }
        assertEquals(List.of(), checks.stream().filter(check -> !check.passed()).toList());
        assertTrue(checks.size() >= 20, () -> "only " + checks.size() + " quantities were compared");
    }
}
