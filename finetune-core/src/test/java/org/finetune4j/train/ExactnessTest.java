package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What must not depend on how a batch is cut, packed, kept or loaded. */
class ExactnessTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");

    /** Losses and gradient norms of a pinned run: llama, SyntheticSamples(13, 199, 1), AdamW, batches of 4. */
    private static final double[] PINNED_LOSSES = {5.983742, 5.541789, 5.853544, 5.956073, 4.218680, 4.692497};

    private static final double[] PINNED_NORMS = {6.614975, 7.638044, 9.211043, 16.134818, 4.588332, 5.163743};

    @ParameterizedTest
    @CsvSource({"1, 8", "4, 2", "2, 4"})
    void aBatchCutIntoAccumulatedPartsTrainsTheSame(int batch, int accumulation) {
        List<StepMetrics> whole = run(8, 1);
        List<StepMetrics> cut = run(batch, accumulation);
        assertEquals(whole.size(), cut.size());
        for (int i = 0; i < whole.size(); i++) {
            assertEquals(whole.get(i).labelledTokens(), cut.get(i).labelledTokens());
            assertEquals(whole.get(i).loss(), cut.get(i).loss(), 2e-5);
            assertEquals(1, cut.get(i).gradientNorm() / whole.get(i).gradientNorm(), 1e-4);
        }
    }

    /** Eight samples with 3 to 8 labels, one step an epoch. */
    @Test
    void theMeanOfBatchMeansWouldBeAnotherGradient() {
        SyntheticSamples samples = new SyntheticSamples(8, 199, 5);
        List<Batch> batches = IntStream.range(0, 8)
                .mapToObj(i -> new Collator(0, 1).collate(List.of(samples.get(i))))
                .toList();
        Map<String, float[]> right = gradients(batches, GradientCheckpointing.none());
        Map<String, float[]> wrong = new LinkedHashMap<>();
        for (Batch batch : batches) {
            // The mistake: every batch by its own labels, then the mean of them.
            gradients(List.of(batch), GradientCheckpointing.none())
                    .forEach((name, values) -> wrong.merge(name, scaled(values, 1.0 / 8), ExactnessTest::sum));
        }
        double norm = 0;
        double difference = 0;
        for (String name : right.keySet()) {
            for (int i = 0; i < right.get(name).length; i++) {
                norm += Math.pow(right.get(name)[i], 2);
                difference += Math.pow(right.get(name)[i] - wrong.get(name)[i], 2);
            }
        }
        assertTrue(difference > 1e-3 * norm, "the samples' labels are uneven enough to tell");
    }

    private static List<StepMetrics> run(int batch, int accumulation) {
        return run(
                TrainingArguments.builder()
                        .batchSize(batch)
                        .gradientAccumulationSteps(accumulation)
                        .learningRate(1e-3)
                        .maxSteps(4)
                        .build(),
                new SyntheticSamples(8, 199, 5));
    }

    @Test
    void samplesPackedInOneRowHaveTheGradientsOfSamplesApart() {
        SyntheticSamples samples = new SyntheticSamples(3, 199, 9);
        List<Sample> list = List.of(samples.get(0), samples.get(1), samples.get(2));
        Map<String, float[]> apart = gradients(List.of(new Collator(0, 1).collate(list)), GradientCheckpointing.none());
        Map<String, float[]> packed = gradients(List.of(packed(list)), GradientCheckpointing.none());
        NamedGradients.assertSame(apart, packed, 1e-5f);
    }

    @ParameterizedTest
    @CsvSource({"1", "2"})
    void checkpointedLayersGiveTheSameBytes(int everyLayers) {
        List<Batch> batches = List.of(new Collator(0, 1)
                .collate(List.of(new SyntheticSamples(2, 199, 9).get(0), new SyntheticSamples(2, 199, 9).get(1))));
        Map<String, float[]> plain = gradients(batches, GradientCheckpointing.none());
        Map<String, float[]> checkpointed = gradients(batches, GradientCheckpointing.every(everyLayers));
        NamedGradients.assertSame(plain, checkpointed, 0);
    }

    @ParameterizedTest
    @CsvSource({"0, 2", "1, 7", "2, 1", "5, 2"})
    void howManyThreadsLoadDataAndHowFarAheadChangesNothing(int workers, int prefetch) {
        TrainingArgumentsBuilder arguments = pinned();
        TrainingDataset samples = new SyntheticSamples(13, 199, 1);
        List<StepMetrics> expected = run(arguments.build(), samples);
        List<StepMetrics> actual = run(
                arguments
                        .dataloaderNumWorkers(workers)
                        .dataloaderPrefetchFactor(prefetch)
                        .build(),
                new UnevenlySlow(samples));
        for (int i = 0; i < expected.size(); i++) {
            assertEquals(expected.get(i).loss(), actual.get(i).loss());
            assertEquals(expected.get(i).gradientNorm(), actual.get(i).gradientNorm());
        }
    }

    /** Every third sample takes longer than the others, so that threads overtake each other. */
    private record UnevenlySlow(TrainingDataset samples) implements TrainingDataset {

        @Override
        public int size() {
            return samples.size();
        }

        @Override
        public Sample get(int index) {
            if (index % 3 == 0) {
                LockSupport.parkNanos(2_000_000);
            }
            return samples.get(index);
        }
    }

    @Test
    void offloadedActivationsGiveTheSameGradients(@TempDir Path directory) throws Exception {
        SyntheticSamples samples = new SyntheticSamples(3, 199, 1);
        List<Sample> list = IntStream.range(0, 3).mapToObj(samples::get).toList();
        List<Batch> batches = List.of(new Collator(0, 1).collate(list));
        for (int layers : new int[] {1, 2}) {
            GradientCheckpointing kept = GradientCheckpointing.every(layers);
            Map<String, float[]> expected = gradients(batches, kept);
            NamedGradients.assertSame(expected, gradients(batches, kept.offloadedTo(directory)), 0);
        }
        try (Stream<Path> left = Files.list(directory)) {
            assertEquals(0, left.count(), "the files are gone");
        }
    }

    @Test
    void theSameConfigurationGivesTheSameBytesAgain() {
        TrainingArguments arguments = pinned().build();
        List<StepMetrics> first = run(arguments, new SyntheticSamples(13, 199, 1));
        List<StepMetrics> second = run(arguments, new SyntheticSamples(13, 199, 1));
        for (int i = 0; i < first.size(); i++) {
            assertEquals(first.get(i).loss(), second.get(i).loss(), 0);
            assertEquals(first.get(i).gradientNorm(), second.get(i).gradientNorm(), 0);
        }
    }

    @Test
    void aPinnedConfigurationStaysWhatItWas() {
        List<StepMetrics> steps = run(pinned().build(), new SyntheticSamples(13, 199, 1));
        double[] losses = steps.stream().mapToDouble(StepMetrics::loss).toArray();
        double[] norms = steps.stream().mapToDouble(StepMetrics::gradientNorm).toArray();
        // Processors add in different orders: the last digits are theirs.
        assertArrayEquals(PINNED_LOSSES, losses, 1e-4, () -> Arrays.toString(losses));
        assertArrayEquals(PINNED_NORMS, norms, 1e-3, () -> Arrays.toString(norms));
    }

    private static TrainingArgumentsBuilder pinned() {
        return TrainingArguments.builder()
                .batchSize(4)
                .learningRate(2e-3)
                .warmupSteps(1)
                .weightDecay(0.01)
                .maxSteps(6)
                .seed(7);
    }

    private static List<StepMetrics> run(TrainingArguments arguments, TrainingDataset samples) {
        List<StepMetrics> steps = new ArrayList<>();
        TrainingListener recorder = new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                steps.add(metrics);
            }
        };
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            new Trainer(model, full, arguments, samples, null, new Collator(0, 1), List.of(recorder)).train();
        }
        return steps;
    }

    private static float[] scaled(float[] values, double factor) {
        float[] result = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            result[i] = (float) (factor * values[i]);
        }
        return result;
    }

    private static float[] sum(float[] a, float[] b) {
        float[] result = new float[a.length];
        for (int i = 0; i < a.length; i++) {
            result[i] = a[i] + b[i];
        }
        return result;
    }

    private static Map<String, float[]> gradients(List<Batch> batches, GradientCheckpointing checkpointing) {
        Map<String, float[]> gradients = new LinkedHashMap<>();
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model);
                TensorScope scope = TensorScope.open()) {
            double scale =
                    1.0 / batches.stream().mapToInt(Batch::labelledTokens).sum();
            Backpropagation backpropagation = new Backpropagation(model, checkpointing);
            for (Batch batch : batches) {
                backpropagation.run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, scale));
            }
            model.network().namedParameters().forEach((name, parameter) -> {
                Tensor gradient = parameter.grad();
                if (gradient != null) {
                    gradients.put(name, gradient.toFloatArray());
                }
            });
        }
        return gradients;
    }

    /** One row with positions that start again at every sample; a sample's first token is nobody's target. */
    private static Batch packed(List<Sample> samples) {
        int length = samples.stream().mapToInt(Sample::length).sum();
        int[] ids = new int[length];
        int[] labels = new int[length];
        int[] positions = new int[length];
        byte[] mask = new byte[length];
        Arrays.fill(mask, (byte) 1);
        int at = 0;
        for (Sample sample : samples) {
            System.arraycopy(sample.inputIds(), 0, ids, at, sample.length());
            System.arraycopy(sample.labels(), 0, labels, at, sample.length());
            labels[at] = Sample.IGNORE_INDEX;
            for (int i = 0; i < sample.length(); i++) {
                positions[at + i] = i;
            }
            at += sample.length();
        }
        return new Batch(1, length, ids, mask, labels, positions);
    }
}
