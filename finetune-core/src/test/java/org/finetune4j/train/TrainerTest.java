package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.NativeMemory;
import org.finetune4j.train.arguments.ModelSelection;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.health.TrainingStatistics;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TrainerTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");

    @TempDir
    Path directory;

    private static TrainingArgumentsBuilder arguments() {
        return TrainingArguments.builder()
                .batchSize(2)
                .maxSteps(9)
                .learningRate(1e-2)
                .gradientAccumulationSteps(2)
                .saveSteps(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"adamw", "adam", "sgd", "adafactor", "lion", "rmsprop", "adagrad", "muon"})
    void aRunThatWasStoppedAndResumedEndsWithTheSameBytes(String kind) throws IOException {
        Path straight = directory.resolve("straight");
        Path stopped = directory.resolve("stopped");
        TrainingArgumentsBuilder shared =
                arguments().optimizer(kind).momentum(0.9).weightDecay(0.1);
        train(shared.outputDirectory(straight).build(), Long.MAX_VALUE);
        TrainingSummary first = train(shared.outputDirectory(stopped).build(), 5);
        assertTrue(first.interrupted());
        assertEquals(5, first.steps());
        TrainingSummary second = train(shared.resume(true).build(), Long.MAX_VALUE);
        assertEquals(9, second.steps());
        for (String file : new String[] {"model.safetensors", "training_state.safetensors"}) {
            assertArrayEquals(
                    Files.readAllBytes(straight.resolve("checkpoint-9").resolve(file)),
                    Files.readAllBytes(stopped.resolve("checkpoint-9").resolve(file)),
                    file);
        }
    }

    /** As of an executor that is shut down, or a future that is cancelled. */
    @Test
    void aRunWhoseThreadIsInterruptedStopsWithACheckpointAndGoesOnToTheSameBytes() throws IOException {
        Path straight = directory.resolve("straight");
        Path stopped = directory.resolve("stopped");
        new TinyRun(straight).steps(8).saveEvery(8).train();
        TrainingListener interrupting = new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                if (metrics.step() == 4) {
                    Thread.currentThread().interrupt();
                }
            }
        };
        TrainingSummary first = new TinyRun(stopped)
                .steps(8)
                .saveEvery(4)
                .listeners(List.of(interrupting))
                .train();
        assertTrue(Thread.interrupted(), "who interrupted finds that it was");
        assertTrue(first.interrupted());
        assertEquals(4, first.steps());
        assertEquals(
                8, new TinyRun(stopped).steps(8).saveEvery(4).resume().train().steps());
        assertArrayEquals(
                Files.readAllBytes(straight.resolve("checkpoint-8/model.safetensors")),
                Files.readAllBytes(stopped.resolve("checkpoint-8/model.safetensors")));
    }

    @Test
    void anEarlierRunIsNeitherOverwrittenNorResumedUnasked() {
        train(arguments().outputDirectory(directory).build(), 3);
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> train(arguments().outputDirectory(directory).build(), 3));
        assertTrue(e.getMessage().contains("resume_from_checkpoint"), e.getMessage());
    }

    @Test
    void aCheckpointOfOtherBatchesOrAnotherOptimizerIsRefused() {
        train(arguments().outputDirectory(directory).build(), 3);
        TrainingArgumentsBuilder resumed =
                arguments().outputDirectory(directory).resume(true);
        for (TrainingArguments other : List.of(
                resumed.batchSize(3).build(),
                resumed.batchSize(2).seed(7).build(),
                resumed.seed(42).optimizer("sgd").build())) {
            UserErrorException e = assertThrows(UserErrorException.class, () -> train(other, 9));
            assertTrue(e.getMessage().contains("made by another run"), e.getMessage());
        }
        assertEquals(9, train(resumed.optimizer("adamw_torch").build(), 9).steps());
    }

    @Test
    void aCheckpointOfOtherSamplesIsRefusedThoughThereAreAsMany() {
        train(arguments().outputDirectory(directory).build(), 3);
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Trainer resumed = new Trainer(
                    model,
                    full,
                    arguments().outputDirectory(directory).resume(true).build(),
                    new SyntheticSamples(13, 199, 8),
                    null,
                    new Collator(0, 1),
                    List.of());
            UserErrorException e = assertThrows(UserErrorException.class, resumed::train);
            assertTrue(e.getMessage().contains("made by another run"), e.getMessage());
            assertEquals(1, e.getMessage().lines().count());
        }
    }

    @Test
    void theBestAndTheLastCheckpointAreKept() {
        train(arguments().evalSteps(3).outputDirectory(directory).build(), Long.MAX_VALUE);
        assertTrue(Files.exists(directory.resolve("best/model.safetensors")));
        assertTrue(Files.exists(directory.resolve("checkpoint-9/training_state.safetensors")));
        assertEquals(1, directory.toFile().list((dir, name) -> name.startsWith("checkpoint-")).length);
    }

    @Test
    void aLossThatIsNoNumberEndsTheRunWithAdvice() {
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> train(
                        arguments()
                                .learningRate(1e30)
                                .maxGradNorm(0)
                                .maxSteps(20)
                                .build(),
                        Long.MAX_VALUE));
        assertTrue(e.getMessage().contains("learning_rate"), e.getMessage());
    }

    @Test
    void aNaNNamesTheFirstBadModuleAndLeavesTheStateBeforeIt() {
        UserErrorException e = assertThrows(UserErrorException.class, () -> {
            try (CausalLM model = CausalLM.load(LLAMA);
                    AttachedStrategy full = new FullFineTuning().attach(model)) {
                TrainingListener poison = new TrainingListener() {
                    @Override
                    public void onStep(StepMetrics metrics) {
                        if (metrics.step() == 3) {
                            try (Autograd.Mode mode = Autograd.disabled()) {
                                // Large, but a number: the products with it are none.
                                model.network()
                                        .namedParameters()
                                        .get("model.layers.1.mlp.up_proj.weight")
                                        .value()
                                        .mulInPlace(1e38);
                            }
                        }
                    }
                };
                trainer(model, full, arguments().outputDirectory(directory).build(), poison)
                        .train();
            }
        });
        assertTrue(e.getMessage().contains("step 4"), e.getMessage());
        assertTrue(e.getMessage().contains("model.layers.1"), e.getMessage());
        assertTrue(e.getMessage().contains("checkpoint-3"), e.getMessage());
        assertTrue(Files.exists(directory.resolve("checkpoint-3/model.safetensors")));
    }

    @Test
    void aRunWithoutImprovementEndsEarlyAndGivesTheBestModel() throws IOException {
        // So large a learning rate only makes it worse.
        TrainingArguments arguments = arguments()
                .learningRate(0.5)
                .maxSteps(40)
                .evalSteps(1)
                .selection(ModelSelection.byLoss().withEarlyStopping(3, 0).withBestAtEnd())
                .outputDirectory(directory)
                .build();
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            TrainingSummary summary =
                    trainer(model, full, arguments, new TrainingListener() {}).train();
            assertTrue(summary.steps() < 40, () -> summary.steps() + " steps");
            assertTrue(!summary.interrupted());
            Path given = directory.resolve("given");
            Files.createDirectories(given);
            full.save(given);
            assertArrayEquals(
                    Files.readAllBytes(directory.resolve("best/model.safetensors")),
                    Files.readAllBytes(given.resolve("model.safetensors")));
        }
    }

    @Test
    void statisticsNameEveryGradientAndEverySegment() {
        List<TrainingStatistics> heard = new ArrayList<>();
        TrainingListener listener = new TrainingListener() {
            @Override
            public void onStatistics(TrainingStatistics statistics) {
                heard.add(statistics);
            }
        };
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            trainer(model, full, arguments().maxSteps(4).statisticsSteps(2).build(), listener)
                    .train();
            assertEquals(2, heard.size());
            assertEquals(
                    model.network().allParameters().size(),
                    heard.get(0).gradients().size());
        }
        assertTrue(heard.get(1).activations().keySet().containsAll(List.of("model.embed_tokens", "model.layers.1")));
        assertTrue(heard.get(1).activations().get("model.layers.1").rootMeanSquare() > 0);
    }

    @Test
    void listenersHearStepsEvaluationsAndTheEndInOrder() {
        List<String> heard = new ArrayList<>();
        TrainingListener listener = new TrainingListener() {
            @Override
            public void onStart(TrainingPlan plan) {
                heard.add("start " + plan.totalSteps());
            }

            @Override
            public void onStep(StepMetrics metrics) {
                heard.add("step " + metrics.step());
            }

            @Override
            public void onEvaluation(EvaluationMetrics metrics) {
                heard.add("evaluation " + metrics.step());
            }

            @Override
            public void onEnd(TrainingSummary summary) {
                heard.add("end " + summary.steps());
            }
        };
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            TrainingArguments arguments = TrainingArguments.builder()
                    .batchSize(4)
                    .maxSteps(3)
                    .evalSteps(2)
                    .build();
            trainer(model, full, arguments, listener).train();
        }
        assertEquals(List.of("start 3", "evaluation 0", "step 1", "step 2", "evaluation 2", "step 3", "end 3"), heard);
    }

    @Test
    @Tag("slow")
    void aThousandStepsLeaveNativeMemoryFlat() {
        List<Long> measured = new ArrayList<>();
        TrainingListener listener = new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                if (metrics.step() % 200 == 0) {
                    measured.add(NativeMemory.bytes());
                }
            }
        };
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            TrainingArguments arguments =
                    TrainingArguments.builder().batchSize(4).maxSteps(1000).build();
            trainer(model, full, arguments, listener).train();
        }
        long leaked = NativeMemory.smallestGrowth(
                measured.stream().mapToLong(Long::longValue).toArray());
        assertTrue(leaked < 1 << 20, () -> "native memory grows: " + measured);
    }

    private static TrainingSummary train(TrainingArguments arguments, long stopAfter) {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Trainer[] trainer = new Trainer[1];
            TrainingListener stopper = new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    if (metrics.step() == stopAfter) {
                        trainer[0].requestStop();
                    }
                }
            };
            trainer[0] = trainer(model, full, arguments, stopper);
            return trainer[0].train();
        }
    }

    private static Trainer trainer(
            CausalLM model, AttachedStrategy strategy, TrainingArguments arguments, TrainingListener listener) {
        return new Trainer(
                model,
                strategy,
                arguments,
                new SyntheticSamples(13, 199, 1),
                new SyntheticSamples(5, 199, 2),
                new Collator(0, 1),
                List.of(listener));
    }
}
