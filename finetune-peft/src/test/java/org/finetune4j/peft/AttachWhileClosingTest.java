package org.finetune4j.peft;

import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ClosedWhileUsed;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a method reads of a model's weights when it is put on it does not go away under it when another thread closes the model. */
@Timeout(120)
class AttachWhileClosingTest {

    private static final int ROUNDS = 8;

    @ParameterizedTest
    @ValueSource(strings = {"dora", "bitfit", "ln_tuning", "prompt_tuning", "loha"})
    void attachingEndsWithAnException(String method) throws InterruptedException {
        FineTuningStrategy strategy = FineTuningMethod.named(method).create(new Settings("test", Map.of()));
        ClosedWhileUsed.requireException(
                () -> CausalLM.load(PeftParityTest.BASES.resolve("gpt2")),
                model -> strategy.attach(model).close(),
                ROUNDS,
                5);
    }
}
