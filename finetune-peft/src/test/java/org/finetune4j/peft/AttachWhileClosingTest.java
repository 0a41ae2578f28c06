package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.jspecify.annotations.Nullable;
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
        for (int round = 0; round < ROUNDS; round++) {
            CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("gpt2"));
            CountDownLatch begun = new CountDownLatch(1);
            AtomicReference<@Nullable Throwable> end = new AtomicReference<>();
            Thread worker = new Thread(() -> {
                try {
                    while (true) {
                        begun.countDown();
                        try (AttachedStrategy attached = strategy.attach(model)) {
                            attached.trainableParameters();
                        }
                    }
                } catch (Throwable e) {
                    end.set(e);
                }
            });
            worker.start();
            begun.await();
            TimeUnit.MILLISECONDS.sleep(5L * round);
            model.close();
            worker.join();
            Throwable found = end.get();
            assertInstanceOf(IllegalStateException.class, found, () -> String.valueOf(found));
        }
    }
}
