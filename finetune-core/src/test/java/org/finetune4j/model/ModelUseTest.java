package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.GenerationSession;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A model that is closed while others work with it ends their work with an exception, never the process. */
@Timeout(120)
class ModelUseTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");
    private static final int[] IDS =
            IntStream.range(0, 48).map(i -> 3 + 5 * i % 90).toArray();
    private static final int ROUNDS = 6;

    @TempDir
    Path directory;

    /** What a thread does with a model, again and again. */
    private enum Work {
        LOGITS {
            @Override
            void once(CausalLM model, Path directory) {
                model.logits(ModelInputs.of(IDS));
            }
        },
        GENERATION {
            @Override
            void once(CausalLM model, Path directory) {
                TextGenerator.of(model).completeTokens(List.of(IDS, new int[] {4, 5}), greedy());
            }
        },
        BEAMS {
            @Override
            void once(CausalLM model, Path directory) {
                TextGenerator.of(model)
                        .completeTokens(
                                List.of(IDS),
                                GenerationOptions.greedy(8).toBuilder()
                                        .numBeams(3)
                                        .build());
            }
        },
        SESSION {
            @Override
            void once(CausalLM model, Path directory) {
                try (GenerationSession session = TextGenerator.of(model).session()) {
                    session.generate(IDS, greedy(), piece -> {});
                }
            }
        },
        EVALUATION {
            @Override
            void once(CausalLM model, Path directory) {
                Batch batch = batch();
                new Backpropagation(model, GradientCheckpointing.none())
                        .evaluate(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
            }
        },
        TRAINING {
            @Override
            void once(CausalLM model, Path directory) {
                try (AttachedStrategy full = new FullFineTuning().attach(model)) {
                    trainer(model, full, 1000).train();
                }
            }
        },
        ATTACHMENT {
            @Override
            void once(CausalLM model, Path directory) {
                new FullFineTuning().attach(model).close();
            }
        },
        SAVING {
            @Override
            void once(CausalLM model, Path directory) {
                model.save(directory.resolve("saved"));
            }
        };

        abstract void once(CausalLM model, Path directory);

        private static GenerationOptions greedy() {
            return GenerationOptions.greedy(8).toBuilder().stopTokens(Set.of()).build();
        }

        private static Batch batch() {
            return new Collator(0, 1).collate(List.of(new SyntheticSamples(1, 199, 5).get(0)));
        }
    }

    private static Trainer trainer(
            CausalLM model, AttachedStrategy strategy, long steps, TrainingListener... listeners) {
        return new Trainer(
                model,
                strategy,
                TrainingArguments.builder()
                        .batchSize(4)
                        .maxSteps(steps)
                        .learningRate(1e-3)
                        .build(),
                new SyntheticSamples(12, 199, 3),
                null,
                new Collator(0, 1),
                List.of(listeners));
    }

    @ParameterizedTest
    @EnumSource(Work.class)
    void closingEndsTheWorkOfAnotherThreadWithAnException(Work work) throws InterruptedException {
        ClosedWhileUsed.requireException(() -> CausalLM.load(LLAMA), model -> work.once(model, directory), ROUNDS, 7);
    }

    @Test
    void closingWaitsForThoseThatAreInside() throws InterruptedException {
        CausalLM model = CausalLM.load(LLAMA);
        CausalLM.Entry entry = model.enter();
        CountDownLatch closed = new CountDownLatch(1);
        Thread closer = new Thread(() -> {
            model.close();
            closed.countDown();
        });
        closer.start();
        assertFalse(closed.await(50, TimeUnit.MILLISECONDS));
        assertFalse(model.network().inputEmbedding().weight().value().isClosed());
        entry.close();
        assertTrue(closed.await(60, TimeUnit.SECONDS));
        assertTrue(model.network().inputEmbedding().weight().value().isClosed());
        assertThrows(IllegalStateException.class, model::enter);
        assertDoesNotThrow(model::close);
    }

    @Test
    void aThreadThatIsInsideCannotClose() {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            try (CausalLM.Entry entry = model.enter()) {
                assertThrows(IllegalStateException.class, model::close);
            }
            AtomicInteger refused = new AtomicInteger();
            TrainingListener closing = new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    assertThrows(IllegalStateException.class, model::close);
                    refused.incrementAndGet();
                }
            };
            assertEquals(5, trainer(model, full, 5, closing).train().steps());
            assertEquals(5, refused.get());
            try (TensorScope scope = TensorScope.open()) {
                assertEquals(IDS.length, model.logits(ModelInputs.of(IDS)).size(1));
            }
        }
    }

    @Test
    void whoChangesAModelIsAlone() throws InterruptedException {
        try (CausalLM model = CausalLM.load(LLAMA)) {
            AtomicInteger inside = new AtomicInteger();
            AtomicInteger together = new AtomicInteger();
            Runnable reading = () -> {
                for (int i = 0; i < 300; i++) {
                    try (CausalLM.Entry outer = model.enter();
                            CausalLM.Entry inner = model.enter()) {
                        inside.incrementAndGet();
                        Thread.yield();
                        inside.decrementAndGet();
                    }
                }
            };
            Runnable changing = () -> {
                for (int i = 0; i < 300; i++) {
                    model.alone(() -> model.alone(() -> together.addAndGet(inside.get())));
                }
            };
            List<Thread> threads =
                    List.of(new Thread(reading), new Thread(reading), new Thread(changing), new Thread(changing));
            threads.forEach(Thread::start);
            for (Thread thread : threads) {
                thread.join();
            }
            assertEquals(0, together.get());
        }
    }

    @Test
    void twoThreadsThatAreInsideCannotBothChangeIt() throws InterruptedException {
        try (CausalLM model = CausalLM.load(LLAMA);
                CausalLM.Entry own = model.enter()) {
            assertDoesNotThrow(() -> model.alone(() -> {}));
            CountDownLatch entered = new CountDownLatch(1);
            CountDownLatch leave = new CountDownLatch(1);
            Thread other = new Thread(() -> {
                try (CausalLM.Entry entry = model.enter()) {
                    entered.countDown();
                    leave.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
            other.start();
            entered.await();
            assertThrows(IllegalStateException.class, () -> model.alone(() -> {}));
            leave.countDown();
            other.join();
        }
    }
}
