package org.finetune4j.dist;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.train.health.TrainingStatistics;
import org.finetune4j.train.health.TrainingStatistics.Size;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code statistics_steps}: whoever has which part, sizes are those of whole gradients. */
class StatisticsOnRanksTest {

    @TempDir
    private Path directory;

    @ParameterizedTest(
            name = "{1} of {0}, {2} copies of {3} stages of {4} slices, {5} with experts of their own, ZeRO {6}")
    @CsvSource({
        "llama, full, 2, 1, 1, 1, 0",
        "llama, full, 2, 1, 1, 1, 2",
        "llama, full, 3, 1, 1, 1, 3",
        "llama, lora, 1, 1, 2, 1, 0",
        "llama-tied, full, 1, 2, 1, 1, 0",
        "gpt2, full, 2, 2, 2, 1, 1",
        "mixtral, full, 2, 1, 1, 2, 0",
        "mixtral, full, 4, 1, 1, 2, 2",
    })
    void sizesAreThoseOfOneProcess(
            String model, String method, int copies, int stages, int slices, int experts, int stage) {
        MeshTraining training = new MeshTraining(model, method, stage, true)
                .with(arguments -> arguments.maxSteps(2).statisticsSteps(1));
        List<TrainingStatistics> alone = training.statisticsOn(MeshShape.SINGLE, directory.resolve("alone"));
        List<TrainingStatistics> found =
                training.statisticsOn(new MeshShape(copies, stages, slices, experts), directory.resolve("together"));
        assertEquals(2, alone.size());
        assertEquals(2, found.size());
        for (int i = 0; i < 2; i++) {
            requireSame(alone.get(i).gradients(), found.get(i).gradients());
            requireSame(alone.get(i).activations(), found.get(i).activations());
        }
    }

    private static void requireSame(Map<String, Size> expected, Map<String, Size> found) {
        assertEquals(expected.keySet(), found.keySet());
        expected.forEach((name, size) -> {
            Size other = found.get(name);
            assertEquals(size.rootMeanSquare(), other.rootMeanSquare(), 1e-5 * size.rootMeanSquare() + 1e-12, name);
            assertEquals(size.largest(), other.largest(), 1e-5 * size.largest() + 1e-12, name);
        });
    }
}
