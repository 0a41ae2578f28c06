package org.finetune4j.train;

import java.nio.file.Path;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sixteen steps of full fine-tuning, step by step as PyTorch and transformers did them. */
class FullTrajectoryTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens");

    @Test
    void everyStepOfFullFineTuningIsReproduced() {
        assertReproduces("full", GoldenTrajectory.arguments());
    }

    @Test
    void everyStepIsReproducedWhenNormsDecayToo() {
        assertReproduces("full-decay-all", GoldenTrajectory.arguments().decayNormsAndBiases(true));
    }

    @Test
    void everyStepIsReproducedWithFourAccumulatedBatches() {
        assertReproduces("full-accum4", GoldenTrajectory.arguments().gradientAccumulationSteps(4));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void checkpointedActivationsChangeNothing(int everyLayers) {
        assertReproduces("full", GoldenTrajectory.arguments().gradientCheckpointingLayers(everyLayers));
    }

    private static void assertReproduces(String run, TrainingArgumentsBuilder arguments) {
        try (CausalLM model = CausalLM.load(GOLDENS.resolve("arch/llama"));
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            GoldenTrajectory.assertReproduces(
                    GOLDENS.resolve("train").resolve(run).resolve("golden.safetensors"),
                    model,
                    full,
                    model.network().namedParameters(),
                    arguments.build());
        }
    }
}
