package org.finetune4j.train.preflight;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.arguments.ModelSelection;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.memory.StepMemory;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Every mistake that is planted is found, with a line that says what to do. */
class PreflightTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");

    private static final Objective OBJECTIVE = new CrossEntropy(LossOptions.crossEntropy());

    private static TrainingArgumentsBuilder usual() {
        return TrainingArguments.builder().batchSize(32).learningRate(2e-5).epochs(2);
    }

    private static Sample labelled(int... ids) {
        return new Sample(ids, ids.clone());
    }

    private static TrainingDataset samples(Sample... first) {
        return new TrainingDataset() {
            @Override
            public int size() {
                return 64;
            }

            @Override
            public Sample get(int index) {
                return index < first.length ? first[index] : labelled(5, 6, 7, 8);
            }
        };
    }

    private static Findings run(TrainingArguments arguments, TrainingDataset dataset) {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            return Preflight.run(PreflightContext.of(
                    model,
                    "full",
                    full,
                    OBJECTIVE,
                    arguments,
                    dataset,
                    null,
                    new Collator(0, 1),
                    0,
                    StepMemory::of,
                    MemoryPlan.TYPICAL_PROCESS));
        }
    }

    private static void assertOneError(TrainingDataset dataset, String... parts) {
        List<String> errors = run(usual().build(), dataset).errors();
        assertEquals(1, errors.size(), errors::toString);
        Arrays.stream(parts).forEach(part -> assertTrue(errors.get(0).contains(part), errors::toString));
    }

    private static void assertOneWarning(TrainingArguments arguments, String... parts) {
        Findings findings = run(arguments, samples());
        assertEquals(List.of(), findings.errors());
        assertEquals(1, findings.warnings().size(), () -> findings.warnings().toString());
        Arrays.stream(parts)
                .forEach(part -> assertTrue(findings.warnings().get(0).contains(part), findings.warnings()::toString));
    }

    @Test
    void aUsualRunHasNoFindings() {
        Findings findings = run(usual().build(), samples());
        assertEquals(List.of(), findings.errors());
        assertEquals(List.of(), findings.warnings());
    }

    @Test
    void aSampleWithoutLabelsIsAnErrorWithItsPlace() {
        Sample unlabelled = new Sample(new int[] {1, 2}, new int[] {-100, -100});
        assertOneError(samples(labelled(5, 6), unlabelled), "sample 1", "no token carries a label");
    }

    @Test
    void aSampleLongerThanTheModelSeesIsAnErrorWithTheLimit() {
        int[] ids = IntStream.range(0, 5000).map(i -> 7).toArray();
        assertOneError(samples(labelled(ids)), "5000 tokens", "max_length");
    }

    @Test
    void aTokenOutsideTheEmbeddingIsAnError() {
        assertOneError(samples(labelled(5, 123_456)), "sample 0: token id 123456", "knows 0 to 198");
    }

    @Test
    void aLabelOutsideTheVocabularyIsAnErrorWithItsPlace() {
        Sample wrong = new Sample(new int[] {5, 6}, new int[] {5, 199});
        assertOneError(samples(labelled(5, 6), wrong), "sample 1: label 199", "scores 0 to 198");
    }

    @Test
    void aPositionThatTheModelDoesNotKnowIsAnErrorWithItsPlace() {
        Sample wrong = new Sample(new int[] {5, 6}, new int[] {5, 6}, new int[] {0, 100_000});
        assertOneError(samples(wrong), "sample 0", "position 100000");
    }

    @ParameterizedTest
    @CsvSource({"-1, 5, 0", "5, -1, 0", "5, -99, 0", "5, 5, -1"})
    void numbersThatNoModelHasAreAnErrorWithoutATrainingStep(int token, int label, int position) {
        TrainingDataset wrong = new TrainingDataset() {
            @Override
            public int size() {
                return 1;
            }

            @Override
            public Sample get(int index) {
                return new Sample(new int[] {5, token}, new int[] {5, label}, new int[] {0, position});
            }
        };
        assertOneError(wrong, "out of range");
    }

    @Test
    void heldOutSamplesAreLookedAtToo() {
        assertTrue(errorOfEvaluation(labelled(5, 6, 7, 200)).contains("token id 200"));
        assertTrue(errorOfEvaluation(new Sample(new int[] {5, 6}, new int[] {5, 200}))
                .contains("label 200"));
        assertTrue(errorOfEvaluation(new Sample(new int[] {5, 6}, new int[] {-100, -100}))
                .contains("held-out samples carries a label"));
    }

    private static String errorOfEvaluation(Sample sample) {
        TrainingDataset evaluation = new TrainingDataset() {
            @Override
            public int size() {
                return 1;
            }

            @Override
            public Sample get(int index) {
                return sample;
            }
        };
        try (CausalLM model = CausalLM.load(LLAMA)) {
            FineTuner tuner = FineTuner.of(model)
                    .dataset(samples())
                    .evaluation(evaluation)
                    .arguments(usual().build());
            List<String> errors = tuner.preflight().findings().errors();
            assertEquals(1, errors.size(), errors::toString);
            assertEquals(
                    errors.get(0),
                    assertThrows(UserErrorException.class, tuner::train).getMessage());
            return errors.get(0);
        }
    }

    @Test
    void aLearningRateOfAnotherMethodIsAWarningWithTheUsualRange() {
        assertOneWarning(usual().learningRate(2e-3).build(), "learning_rate", "1e-05 to 5e-05");
    }

    @Test
    void smallBatchesManyEpochsAndAConstantScheduleWithWarmupAreWarnings() {
        assertOneWarning(usual().batchSize(1).build(), "32 to 128");
        assertOneWarning(usual().epochs(50).build(), "num_train_epochs");
        assertOneWarning(
                usual().schedule(LearningRateSchedule.CONSTANT).warmupRatio(0.1).build(), "constant_with_warmup");
    }

    @Test
    void stoppingEarlyWithoutHeldOutSamplesIsAnError() {
        Findings findings = run(
                usual().selection(ModelSelection.byLoss().withEarlyStopping(2, 0))
                        .build(),
                samples());
        assertTrue(findings.errors().get(0).contains("eval_fraction"), findings.errors()::toString);
    }

    @Test
    void trainingRefusesToStartWithAnError() {
        try (CausalLM model = CausalLM.load(LLAMA)) {
            FineTuner tuner = FineTuner.of(model)
                    .dataset(samples(new Sample(new int[] {1, 2}, new int[] {-100, -100})))
                    .arguments(usual().build());
            UserErrorException e = assertThrows(UserErrorException.class, tuner::train);
            assertTrue(e.getMessage().contains("no token carries a label"), e.getMessage());
            assertEquals(1, tuner.preflight().findings().errors().size());
        }
    }

    @Test
    void paddingThatIsSeenOrLearnedIsNoticed() {
        // Two rows of three tokens; the second has one, the rest is the end-of-sequence token as padding.
        int[] ids = {5, 6, 2, 5, 2, 2};
        byte[] masked = {1, 1, 1, 1, 0, 0};
        byte[] seen = {1, 1, 1, 1, 1, 1};
        int[] unlabelled = {5, 6, 2, 5, -100, -100};
        assertTrue(PaddingCheck.isMasked(new Batch(2, 3, ids, masked, unlabelled), 1));
        assertFalse(PaddingCheck.isMasked(new Batch(2, 3, ids, masked, ids), 1));
        assertFalse(PaddingCheck.isMasked(new Batch(2, 3, ids, seen, unlabelled), 1));
    }

    @Test
    void aMethodThatTrainsNothingIsAnError() {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy nothing = new NothingTrains()) {
            Findings findings =
                    run(model, nothing, usual().build(), MemoryPlan.builder().build());
            assertEquals(1, findings.errors().size(), findings.errors()::toString);
            assertTrue(findings.errors().get(0).contains("match no parameter"), findings.errors()::toString);
        }
    }

    private record NothingTrains() implements AttachedStrategy {

        @Override
        public Collection<Parameter> trainableParameters() {
            return List.of();
        }

        @Override
        public void save(Path target) {}

        @Override
        public void restore(Path source) {}

        @Override
        public void close() {}
    }

    private static Findings run(
            CausalLM model, AttachedStrategy strategy, TrainingArguments arguments, MemoryPlan memory) {
        return Preflight.run(context(model, strategy, arguments, memory));
    }

    private static PreflightContext context(
            CausalLM model, AttachedStrategy strategy, TrainingArguments arguments, MemoryPlan memory) {
        TrainingDataset dataset = samples();
        return new PreflightContext(
                model,
                "full",
                strategy,
                arguments,
                dataset,
                null,
                new Collator(0, 1),
                SampleSurvey.of(dataset, model.network(), OBJECTIVE, 0),
                null,
                memory,
                false);
    }

    @Test
    void aDiskThatIsTooSmallForWhatTheRunWritesIsAnErrorWithTheRemedy() {
        long megabyte = 1 << 20;
        // Weights 100 MB, states 200 MB, an average of 100 MB: three checkpoints at a time, the best and the last
        // model.
        MemoryPlan memory = MemoryPlan.builder()
                .weights(100 * megabyte)
                .gradients(100 * megabyte)
                .optimizerState(200 * megabyte)
                .optimizerResident(200 * megabyte)
                .average(100 * megabyte)
                .build();
        TrainingArguments arguments =
                usual().saveTotalLimit(2).outputDirectory(Path.of("target/out")).build();
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy nothing = new NothingTrains()) {
            PreflightContext context = context(model, nothing, arguments, memory);
            Findings enough = new Findings();
            new DiskSpaceCheck(directory -> 1500 * megabyte).check(context, enough);
            assertEquals(List.of(), enough.errors());
            Findings full = new Findings();
            new DiskSpaceCheck(directory -> 1499 * megabyte).check(context, full);
            assertEquals(1, full.errors().size());
            assertTrue(
                    full.errors().get(0).contains("writes up to 1500 MB, 1499 MB are free; make room"),
                    full.errors()::toString);
        }
    }

    @Test
    void aRunThatNeedsMoreMemoryThanThereIsIsAnError() {
        int[] ids = IntStream.range(0, 64).map(i -> 7).toArray();
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Findings findings = Preflight.run(PreflightContext.of(
                    model,
                    "full",
                    full,
                    OBJECTIVE,
                    usual().build(),
                    samples(labelled(ids)),
                    null,
                    new Collator(0, 1),
                    0,
                    StepMemory::of,
                    1L << 50));
            assertTrue(findings.errors().get(0).contains("gradient_checkpointing"), findings.errors()::toString);
        }
    }

    /** @param lengths of the samples, in their order */
    private static Findings batchLengths(boolean common, int... lengths) {
        long megabyte = 1 << 20;
        MemoryPlan large = MemoryPlan.builder()
                .activations(900 * megabyte)
                .head(100 * megabyte)
                .process(megabyte)
                .build();
        TrainingDataset dataset = new TrainingDataset() {
            @Override
            public int size() {
                return lengths.length;
            }

            @Override
            public Sample get(int index) {
                return labelled(IntStream.range(0, lengths[index]).map(i -> 5).toArray());
            }

            @Override
            public OptionalInt commonLength() {
                return common ? OptionalInt.of(64) : OptionalInt.empty();
            }
        };
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            PreflightContext small = PreflightContext.of(
                    model,
                    "full",
                    full,
                    OBJECTIVE,
                    usual().batchSize(2).build(),
                    dataset,
                    null,
                    new Collator(0, 1),
                    0,
                    StepMemory::of,
                    megabyte);
            Findings findings = new Findings();
            new BatchLengthsCheck().check(small, findings);
            assertEquals(List.of(), findings.warnings(), "little memory is soon fetched");
            new BatchLengthsCheck()
                    .check(
                            new PreflightContext(
                                    model,
                                    "full",
                                    full,
                                    small.arguments(),
                                    dataset,
                                    null,
                                    small.collator(),
                                    small.survey(),
                                    null,
                                    large,
                                    false),
                            findings);
            return findings;
        }
    }

    @Test
    void batchesOfVeryDifferentLengthsAreAWarningWithWhatPackingTakes() {
        int[] lengths =
                IntStream.range(0, 40).map(i -> i % 10 == 0 ? 64 : 4 + i % 7).toArray();
        List<String> warnings = batchLengths(false, lengths).warnings();
        assertEquals(1, warnings.size());
        String warning = warnings.get(0);
        assertTrue(warning.contains("up to 1,000 MB"), warning);
        assertTrue(warning.contains("128 tokens"), warning);
        assertTrue(
                warning.contains("packing: true with gradient_checkpointing: true and per_device_train_batch_size: 1"),
                warning);
        assertTrue(warning.endsWith("in place of 1,001"), warning);
        assertEquals(List.of(), batchLengths(true, lengths).warnings());
    }

    @Test
    void batchesOfLikeLengthsAreNoWarning() {
        assertEquals(
                List.of(),
                batchLengths(false, IntStream.range(0, 40).map(i -> 50 + i % 14).toArray())
                        .warnings());
    }
}
