package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.verify.Check;
import org.finetune4j.verify.GoldenVerifier;
import org.finetune4j.verify.Tolerances;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every quantity that PEFT and AdapterHub recorded for their adapters: logits, loss, gradients, merged logits, generation. */
public class PeftParityTest {

    public static final Path BASES = Path.of("../finetune-core/src/test/resources/goldens/arch");
    private static final Path GOLDENS = Path.of("src/test/resources/goldens");
    private static final List<Path> LIBRARIES = List.of(GOLDENS.resolve("peft"), GOLDENS.resolve("adapters"));

    static Stream<Path> adapters() throws IOException {
        List<Path> adapters = new ArrayList<>();
        for (Path library : LIBRARIES) {
            adapters.addAll(adapters(library));
        }
        return adapters.stream().sorted();
    }

    /** What AdapterHub's library wrote. */
    public static Stream<Path> adapterHubDirectories() throws IOException {
        return adapters(LIBRARIES.get(1)).stream().sorted();
    }

    private static List<Path> adapters(Path library) throws IOException {
        List<Path> adapters = new ArrayList<>();
        for (Path base : children(library)) {
            adapters.addAll(children(base));
        }
        return adapters;
    }

    private static List<Path> children(Path directory) throws IOException {
        try (Stream<Path> children = Files.list(directory)) {
            return children.toList();
        }
    }

    @ParameterizedTest
    @MethodSource("adapters")
    void everythingThatWasRecordedIsReproduced(Path directory) {
        Path base = BASES.resolve(directory.getParent().getFileName());
        List<Check> checks = new ArrayList<>();
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(base);
                Adapter adapter = AdapterFormat.load(model, directory, true)) {
            boolean passed = new GoldenVerifier(model, adapter, Tolerances.defaults())
                    .verify(directory.resolve("golden.safetensors"), checks::add);
            assertEquals(
                    List.of(), checks.stream().filter(check -> !check.passed()).toList());
            assertTrue(passed);
        }
        assertTrue(checks.size() >= 5, () -> "only " + checks.size() + " quantities were compared");
    }
}
