package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.optimizer.LearningRateSchedule;

/** Trains on the recorded batches and compares every step with what PyTorch and transformers did. */
public final class GoldenTrajectory {

    private static final Path BATCHES =
            Path.of("../finetune-core/src/test/resources/goldens/train/batches.safetensors");

    private GoldenTrajectory() {}

    /** The settings that all recorded runs share. */
    public static TrainingArgumentsBuilder arguments() {
        return TrainingArguments.builder()
                .batchSize(2)
                .maxSteps(16)
                .learningRate(1e-3)
                .schedule(LearningRateSchedule.COSINE)
                .warmupSteps(4)
                .weightDecay(0.01)
                .shuffle(false);
    }

    /** Runs the trainer and compares losses, norms, learning rates, and weights after two and after all steps. */
    public static void assertReproduces(
            Path golden,
            CausalLM model,
            AttachedStrategy strategy,
            Map<String, Parameter> parameters,
            TrainingArguments arguments) {
        List<StepMetrics> steps = new ArrayList<>();
        try (SafetensorsFile expected = SafetensorsFile.open(golden);
                TensorScope scope = TensorScope.open()) {
            TrainingListener recorder = new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    steps.add(metrics);
                    if (metrics.step() == 2) {
                        assertWeights("after2.", expected, parameters);
                    }
                }
            };
            new Trainer(model, strategy, arguments, samples(), null, new Collator(0, 1), List.of(recorder)).train();
            assertSeries(expected, "loss", 1e-4, steps.stream().mapToDouble(StepMetrics::loss));
            assertSeries(expected, "grad_norm", 1e-3, steps.stream().mapToDouble(StepMetrics::gradientNorm));
            assertSeries(expected, "lr", 1e-9, steps.stream().mapToDouble(StepMetrics::learningRate));
            assertSeries(expected, "tokens", 0, steps.stream().mapToDouble(StepMetrics::labelledTokens));
            assertEquals(parameters.size(), assertWeights("final.", expected, parameters));
        }
    }

    private static void assertSeries(SafetensorsFile expected, String name, double tolerance, DoubleStream actual) {
        double[] wanted = expected.tensor(name).to(DType.FLOAT64).toDoubleArray();
        // Learning rates are stored in float32.
        assertArrayEquals(wanted, actual.toArray(), tolerance + 1e-10, name);
    }

    private static int assertWeights(String prefix, SafetensorsFile expected, Map<String, Parameter> parameters) {
        int compared = 0;
        try (TensorScope scope = TensorScope.open()) {
            for (String name : expected.names()) {
                if (name.startsWith(prefix)) {
                    Parameter parameter = parameters.get(name.substring(prefix.length()));
                    Tensor difference = parameter.value().detach().sub(expected.tensor(name));
                    double largest = difference.abs().max().item();
                    assertTrue(largest <= 1e-4, () -> name + " differs by " + largest);
                    compared++;
                }
            }
        }
        return compared;
    }

    /** The rows of the recorded batches without their padding. */
    public static TrainingDataset samples() {
        List<Sample> samples = new ArrayList<>();
        try (SafetensorsFile file = SafetensorsFile.open(BATCHES);
                TensorScope scope = TensorScope.open()) {
            int length = (int) file.tensor("input_ids").size(-1);
            long[] ids = file.tensor("input_ids").toLongArray();
            long[] labels = file.tensor("labels").toLongArray();
            long[] mask = file.tensor("attention_mask").to(DType.INT64).toLongArray();
            for (int row = 0; row < ids.length / length; row++) {
                int from = row * length;
                int real = (int) Arrays.stream(mask, from, from + length).sum();
                samples.add(new Sample(slice(ids, from, real), slice(labels, from, real)));
            }
        }
        return new TrainingDataset() {
            @Override
            public int size() {
                return samples.size();
            }

            @Override
            public Sample get(int index) {
                return samples.get(index);
            }
        };
    }

    private static int[] slice(long[] values, int from, int length) {
        return IntStream.range(from, from + length).map(i -> (int) values[i]).toArray();
    }
}
