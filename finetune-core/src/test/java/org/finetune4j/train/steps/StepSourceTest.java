package org.finetune4j.train.steps;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.SequenceContext;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.train.EndReason;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.RunConfiguration;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.TrainingSummary;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.report.HtmlReportListener;
import org.finetune4j.train.report.MetricsLog;
import org.finetune4j.train.report.TrainingHistory;
import org.finetune4j.train.steps.Rounds.Trouble;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Steps that come from somewhere else than a dataset: whoever makes them shares the loop, its checkpoints and its reports. */
@Tag("slow")
class StepSourceTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");
    private static final Objective CROSS_ENTROPY = new CrossEntropy(LossOptions.crossEntropy());

    @TempDir
    static Path shared;

    private static Path straight;

    @TempDir
    Path directory;

    private final List<StepMetrics> steps = new ArrayList<>();
    private final List<String> warnings = new ArrayList<>();

    @BeforeAll
    static void runWithoutAStop() {
        straight = shared.resolve("straight");
        new StepSourceTest().run(straight, false, Long.MAX_VALUE, rounds -> {});
    }

    /** A run of {@link Rounds} with a checkpoint every second step. */
    private TrainingSummary run(Path output, boolean resume, long stopAfter, Consumer<Rounds> settings) {
        TrainingArguments arguments = TrainingArguments.builder()
                .learningRate(1e-2)
                .saveSteps(2)
                .outputDirectory(output)
                .resume(resume)
                .build();
        return run(arguments, stopAfter, List.of(), settings);
    }

    private TrainingSummary run(
            TrainingArguments arguments, long stopAfter, List<TrainingListener> listeners, Consumer<Rounds> settings) {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Trainer[] trainer = new Trainer[1];
            List<TrainingListener> told = new ArrayList<>(listeners);
            told.add(new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    steps.add(metrics);
                    if (metrics.step() == stopAfter) {
                        trainer[0].requestStop();
                    }
                }

                @Override
                public void onWarning(String message) {
                    warnings.add(message);
                }
            });
            trainer[0] = new Trainer(RunConfiguration.of(model, full, arguments, setup -> {
                        Rounds rounds = new Rounds(setup);
                        settings.accept(rounds);
                        return rounds;
                    })
                    .withListeners(told));
            return trainer[0].train();
        }
    }

    private static void assertSameState(Path expected, Path actual) throws IOException {
        for (String file : List.of("model.safetensors", "training_state.safetensors", "trainer_state.json")) {
            String name = "checkpoint-" + Rounds.STEPS + "/" + file;
            assertArrayEquals(
                    Files.readAllBytes(expected.resolve(name)), Files.readAllBytes(actual.resolve(name)), name);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 4, 6, 9, 12, 23})
    void aRunThatWasStoppedInARoundOrBetweenTwoEndsInTheSameBytes(long stopAfter) throws IOException {
        Path stopped = directory.resolve("stopped");
        assertTrue(run(stopped, false, stopAfter, rounds -> {}).interrupted());
        TrainingSummary resumed = run(stopped, true, Long.MAX_VALUE, rounds -> {});
        assertEquals(EndReason.COMPLETED, resumed.reason());
        assertEquals(Rounds.STEPS, resumed.steps());
        assertSameState(straight, stopped);
    }

    @ParameterizedTest
    @CsvSource({"3", "7", "8", "20"})
    void aRunThatWasKilledGoesBackToItsLastCheckpointAndEndsInTheSameBytes(long killedAt) throws IOException {
        Path killed = directory.resolve("killed");
        TrainingListener bomb = new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                if (metrics.step() == killedAt) {
                    throw new OutOfMemoryError("as good as a kill");
                }
            }
        };
        TrainingArgumentsBuilder arguments =
                TrainingArguments.builder().learningRate(1e-2).saveSteps(2).outputDirectory(killed);
        assertThrows(OutOfMemoryError.class, () -> run(arguments.build(), Long.MAX_VALUE, List.of(bomb), rounds -> {}));
        assertTrue(Files.exists(killed.resolve("checkpoint-" + (killedAt - 1) / 2 * 2)));
        run(killed, true, Long.MAX_VALUE, rounds -> {});
        assertSameState(straight, killed);
    }

    @Test
    void aSourceThatCannotGoOnLeavesACheckpointOfTheStepBefore() throws IOException {
        Path failed = directory.resolve("failed");
        UserErrorException e = assertThrows(UserErrorException.class, () -> {
            TrainingArguments arguments = TrainingArguments.builder()
                    .learningRate(1e-2)
                    .saveSteps(100)
                    .outputDirectory(failed)
                    .build();
            run(arguments, Long.MAX_VALUE, List.of(), rounds -> {
                rounds.trouble = Trouble.ENDPOINT_IS_DOWN;
                rounds.troubleAt = 7;
            });
        });
        assertEquals(
                "http://localhost:1: nobody answers; the state before this step is in checkpoint-6", e.getMessage());
        run(failed, true, Long.MAX_VALUE, rounds -> {});
        assertSameState(straight, failed);
    }

    @Test
    void aSourceThatGivesUpInTheMiddleOfARoundDrawsItAnewWhenTheRunIsResumed() throws IOException {
        Path stopped = directory.resolve("stopped");
        TrainingSummary first = run(stopped, false, 6, rounds -> rounds.trouble = Trouble.GIVES_UP);
        assertTrue(first.interrupted());
        assertEquals(6, first.steps());
        run(stopped, true, Long.MAX_VALUE, rounds -> {});
        assertSameState(straight, stopped);
    }

    @Test
    void whatASourceMeasuresAndWarnsOfIsInTheLogAndInTheReport() throws IOException {
        Path log = directory.resolve("metrics.jsonl");
        Path report = directory.resolve("report.html");
        TrainingArguments arguments =
                TrainingArguments.builder().learningRate(1e-2).build();
        run(arguments, Long.MAX_VALUE, List.of(new MetricsLog(log), new HtmlReportListener(report)), rounds -> {});
        assertEquals(List.of("round 1 is over", "round 2 is over", "round 3 is over", "round 4 is over"), warnings);
        TrainingHistory history = MetricsLog.read(log);
        assertEquals(
                steps.stream().map(StepMetrics::metrics).toList(),
                history.steps().stream().map(StepMetrics::metrics).toList());
        assertEquals(
                List.of(0.6, 1.2, 1.8, 2.4),
                steps.stream()
                        .filter(step -> step.metrics().containsKey("reward"))
                        .map(step -> step.metrics().get("reward"))
                        .toList());
        assertEquals(4, steps.get(Rounds.STEPS - 1).epoch());
        String html = Files.readString(report);
        assertTrue(html.contains("<h3>objective/coefficient</h3>") && html.contains("<h3>reward</h3>"));
        assertTrue(html.contains("round 3 is over"));
    }

    @Test
    void aCollapseEndsTheRunAndSaysWhichSignWasSeen() throws IOException {
        Path output = directory.resolve("out");
        TrainingArgumentsBuilder arguments =
                TrainingArguments.builder().learningRate(1e-2).saveSteps(2).outputDirectory(output);
        TrainingSummary summary = run(
                arguments.build(),
                Long.MAX_VALUE,
                List.of(new HtmlReportListener(output.resolve("report.html"))),
                rounds -> rounds.collapseAfter = 5);
        assertEquals(EndReason.COLLAPSED, summary.reason());
        assertEquals(5, summary.steps());
        assertEquals("all answers are the same since step 5", summary.explanation());
        assertFalse(summary.interrupted());
        assertTrue(Files.readString(output.resolve("report.html")).contains("all answers are the same since step 5"));
        TrainingSummary again =
                run(arguments.resume(true).build(), Long.MAX_VALUE, List.of(), rounds -> rounds.collapseAfter = 5);
        assertEquals(EndReason.COLLAPSED, again.reason());
        assertTrue(again.explanation().contains("nothing was trained"), again.explanation());
        // With another idea of what a collapse is, the run goes on.
        assertEquals(
                Rounds.STEPS, run(output, true, Long.MAX_VALUE, rounds -> {}).steps());
    }

    @Test
    void aCheckpointOfAnotherSourceIsRefused() {
        Path output = directory.resolve("out");
        run(output, false, 4, rounds -> {});
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Trainer other = new Trainer(
                    model,
                    full,
                    TrainingArguments.builder()
                            .outputDirectory(output)
                            .resume(true)
                            .build(),
                    new SyntheticSamples(13, 199, 1),
                    null,
                    new Collator(0, 1),
                    List.of());
            UserErrorException e = assertThrows(UserErrorException.class, other::train);
            assertTrue(e.getMessage().contains("4 rounds of 6 sequences"), e.getMessage());
            assertEquals(1, e.getMessage().lines().count());
        }
    }

    @Test
    void aFineTunerTrainsOnStepsWithoutADataset() {
        try (CausalLM model = CausalLM.load(LLAMA);
                TrainingResult result = FineTuner.of(model)
                        .steps(Rounds::new)
                        .arguments(TrainingArguments.builder().maxSteps(3).build())
                        .train()) {
            assertEquals(3, result.summary().steps());
        }
    }

    @Test
    void batchesOfOneStepAreNormalisedByWhatTheirOwnObjectiveCounts() {
        SyntheticSamples samples = new SyntheticSamples(3, 199, 5);
        Batch first = batch(samples.get(0));
        Batch second = batch(samples.get(1));
        Batch third = batch(samples.get(2));
        Objective other = new CrossEntropy(new LossOptions(0.1, 0));
        StepOutcome together = outcome(
                new StepBatch(first, CROSS_ENTROPY),
                new StepBatch(second, CROSS_ENTROPY),
                new StepBatch(third, other, 0.25, () -> {}));
        StepOutcome pair = outcome(new StepBatch(first, CROSS_ENTROPY), new StepBatch(second, CROSS_ENTROPY));
        StepOutcome alone = outcome(new StepBatch(third, other));
        assertEquals(pair.loss() + 0.25 * alone.loss(), together.loss(), 1e-5);
    }

    @Test
    void beforeABatchTheModelCanBePreparedForIt() {
        List<String> prepared = new ArrayList<>();
        Batch batch = batch(new SyntheticSamples(1, 199, 5).get(0));
        outcome(
                new StepBatch(batch, CROSS_ENTROPY, 1, () -> prepared.add("policy")),
                new StepBatch(batch, new CrossEntropy(new LossOptions(0.1, 0)), 1, () -> prepared.add("value")));
        assertEquals(List.of("policy", "value"), prepared);
    }

    @Test
    void whatObjectivesMeasureIsAveragedOverTheStepByHowMuchTheyLookedAt() {
        SyntheticSamples samples = new SyntheticSamples(2, 199, 5);
        StepOutcome outcome = outcome(
                new StepBatch(batch(samples.get(0)), new Measuring()),
                new StepBatch(batch(samples.get(1)), new Measuring()));
        double mean = (samples.get(0).length() + samples.get(1).length()) / 2.0;
        assertEquals(Map.of("length", mean, "batches", 1.0), outcome.metrics());
        assertEquals(outcome.metrics(), steps.get(0).metrics());
    }

    private static Batch batch(Sample sample) {
        return new Collator(0, 1).collate(List.of(sample));
    }

    /** What one step of these batches gives. */
    private StepOutcome outcome(StepBatch... batches) {
        OneStep source = new OneStep(new StepBatches(List.of(batches)));
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            TrainingListener listener = new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    steps.add(metrics);
                }
            };
            TrainingSummary summary = new Trainer(
                            RunConfiguration.of(model, full, TrainingArguments.defaults(), setup -> source)
                                    .withListeners(List.of(listener)))
                    .train();
            assertEquals(1, summary.steps());
        }
        return source.outcomes.get(0);
    }

    /** Cross entropy that tells how long its sequences are. */
    private record Measuring() implements Objective {

        @Override
        public long count(Batch batch) {
            return batch.labelledTokens();
        }

        @Override
        public LossHead head(DecoderModel network, Batch batch, double scale) {
            LossHead head = CROSS_ENTROPY.head(network, batch, scale);
            return new LossHead() {
                @Override
                public Result apply(Tensor hidden, SequenceContext context, boolean wantGradient) {
                    return head.apply(hidden, context, wantGradient);
                }

                @Override
                public Map<String, Average> metrics() {
                    return Map.of("length", Average.of(batch.sequenceLength()), "batches", new Average(1, 1));
                }
            };
        }
    }
}
