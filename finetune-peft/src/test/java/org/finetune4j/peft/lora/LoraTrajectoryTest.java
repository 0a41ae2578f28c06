package org.finetune4j.peft.lora;

import java.nio.file.Path;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.train.GoldenTrajectory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Sixteen steps of LoRA, step by step as PEFT and transformers did them. */
class LoraTrajectoryTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/train/lora");

    @ParameterizedTest
    @ValueSource(ints = {0, 1})
    void everyStepIsReproducedWithAndWithoutCheckpointedActivations(int checkpointedLayers) {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                Adapter adapter = AdapterFormat.load(model, GOLDEN.resolve("init"), true)) {
            GoldenTrajectory.assertReproduces(
                    GOLDEN.resolve("golden.safetensors"),
                    model,
                    adapter,
                    adapter.parametersByKey(),
                    GoldenTrajectory.arguments()
                            .gradientCheckpointingLayers(checkpointedLayers)
                            .build());
        }
    }
}
