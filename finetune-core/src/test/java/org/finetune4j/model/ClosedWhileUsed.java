package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;

/** Closes models in the middle of what another thread does with them: that ends with an exception, never with the process. */
public final class ClosedWhileUsed {

    private ClosedWhileUsed() {}

    /**
     * Closes a model a little later every time.
     *
     * @param load gives a model of its own for every round
     * @param once what the other thread does again and again
     * @param rounds how often
     * @param milliseconds by which every round is longer than the one before
     */
    public static void requireException(Supplier<CausalLM> load, Consumer<CausalLM> once, int rounds, long milliseconds)
            throws InterruptedException {
        for (int round = 0; round < rounds; round++) {
            CausalLM model = load.get();
            CountDownLatch begun = new CountDownLatch(1);
            AtomicReference<@Nullable Throwable> end = new AtomicReference<>();
            Thread worker = new Thread(() -> {
                try (TensorScope scope = TensorScope.open()) {
                    while (true) {
                        begun.countDown();
                        try (TensorScope turn = TensorScope.open()) {
                            once.accept(model);
                        }
                    }
                } catch (Throwable e) {
                    end.set(e);
                }
            });
            worker.start();
            begun.await();
            TimeUnit.MILLISECONDS.sleep(milliseconds * round);
            model.close();
            worker.join();
            Throwable found = end.get();
            assertInstanceOf(IllegalStateException.class, found, () -> String.valueOf(found));
        }
    }
}
