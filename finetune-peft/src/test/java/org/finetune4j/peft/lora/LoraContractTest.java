package org.finetune4j.peft.lora;

import java.util.List;
import org.finetune4j.strategy.AdapterContract;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.Nested;

/** LoRA keeps the promises of an adapter, with each of its options. */
class LoraContractTest {

    @Nested
    class AllLinear extends AdapterContract {
        @Override
        protected FineTuningStrategy strategy() {
            return Lora.builder().rank(4).alpha(8).targetModules("all-linear").build();
        }
    }

    @Nested
    class RankStabilisedWithBiases extends AdapterContract {
        @Override
        protected FineTuningStrategy strategy() {
            return Lora.builder()
                    .rank(4)
                    .alpha(8)
                    .useRslora(true)
                    .bias(LoraConfig.Bias.ALL)
                    .build();
        }
    }

    @Nested
    class WithTheOutputLayerTrained extends AdapterContract {
        @Override
        protected FineTuningStrategy strategy() {
            return Lora.builder()
                    .rank(2)
                    .initialization(LoraInitialization.GAUSSIAN)
                    .modulesToSave(List.of("lm_head"))
                    .build();
        }
    }
}
