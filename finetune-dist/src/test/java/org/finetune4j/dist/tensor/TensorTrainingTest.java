package org.finetune4j.dist.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.quant.Quantization;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.ShardingOptions;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.group.TrainingGroup;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Ten steps on shares of a model are ten steps on the model: losses, norms, and the files that are written in the end. */
class TensorTrainingTest {

    private static final Duration PATIENCE = Duration.ofMinutes(2);

    @TempDir
    private Path directory;

    private record Training(String model, String method, int stage, boolean exact, boolean resumed) {

        /** Adam makes full steps of rounding noise where a gradient should be zero: in double precision it is nothing. */
        LoadOptions options() {
            LoadOptions plain = LoadOptions.defaults();
            LoadOptions held = method.equals("qlora")
                    ? plain.withCompression(
                            Quantization.of(QuantizationType.NF4).compression())
                    : plain;
            return exact ? held.inDoublePrecision() : held;
        }

        FineTuningStrategy strategy() {
            return method.equals("full")
                    ? new FullFineTuning()
                    : Lora.builder()
                            .rank(4)
                            .alpha(8)
                            .targetModules("all-linear")
                            .build();
        }

        List<StepMetrics> run(CausalLM loaded, TrainingGroup group, Path output, Path saved) {
            List<StepMetrics> seen = new ArrayList<>();
            TrainingArguments arguments = TrainingArguments.builder()
                    .batchSize(2)
                    .gradientAccumulationSteps(2)
                    .maxSteps(10)
                    .learningRate(1e-3)
                    .weightDecay(0.01)
                    .saveSteps(5)
                    .saveTotalLimit(3)
                    .resume(resumed)
                    .outputDirectory(output)
                    .sharding(new ShardingOptions(stage, 1 << 16))
                    .build();
            try (TrainingResult result = FineTuner.of(loaded)
                    .strategy(strategy())
                    .dataset(new SyntheticSamples(13, 199, 1))
                    .arguments(arguments)
                    .group(group)
                    .messages(line -> {})
                    .listener(new TrainingListener() {
                        @Override
                        public void onStep(StepMetrics metrics) {
                            seen.add(metrics);
                        }
                    })
                    .train()) {
                result.onFirst(() -> result.strategy().save(saved));
            }
            return seen;
        }

        List<StepMetrics> alone(Path output, Path saved) {
            try (CausalLM loaded = CausalLM.load(TensorPass.GOLDENS.resolve(model), options())) {
                return run(loaded, TrainingGroup.alone(), output, saved);
            }
        }

        List<StepMetrics> divided(int data, int tensor, Path output, Path saved) {
            return LocalRanks.call(data * tensor, PATIENCE, world -> {
                        try (Communicator shares = world.split(world.rank() / tensor, world.rank());
                                Communicator copies = world.split(world.rank() % tensor, world.rank());
                                TensorParallel parallel = new TensorParallel(shares, ExpertDivision.SLICES);
                                CausalLM share = parallel.load(TensorPass.GOLDENS.resolve(model), options())) {
                            return run(share, new TensorParallelGroup(world, copies, parallel), output, saved);
                        }
                    })
                    .get(0);
        }
    }

    private static void requireSame(List<StepMetrics> expected, List<StepMetrics> found) {
        assertEquals(expected.size(), found.size());
        for (int i = 0; i < expected.size(); i++) {
            StepMetrics step = expected.get(i);
            assertEquals(step.loss(), found.get(i).loss(), 1e-5 * step.loss(), "loss of step " + (i + 1));
            assertEquals(
                    step.gradientNorm(),
                    found.get(i).gradientNorm(),
                    1e-5 * step.gradientNorm(),
                    "norm of step " + (i + 1));
        }
    }

    private static Map<String, float[]> weights(Path saved) {
        Map<String, float[]> weights = new LinkedHashMap<>();
        Path adapter = saved.resolve("adapter_model.safetensors");
        try (SafetensorsFile file =
                        SafetensorsFile.open(adapter.toFile().exists() ? adapter : saved.resolve("model.safetensors"));
                TensorScope scope = TensorScope.open()) {
            for (String name : file.names()) {
                weights.put(name, file.tensor(name).to(DType.FLOAT32).toFloatArray());
            }
        }
        return weights;
    }

    /** Adam makes full steps of rounding noise where a gradient is nearly zero, as that of LoRA's A at first. */
    private static void requireSameFiles(Path expected, Path found, double limit) {
        Map<String, float[]> whole = weights(expected);
        Map<String, float[]> gathered = weights(found);
        assertEquals(whole.keySet(), gathered.keySet());
        whole.forEach((name, values) -> {
            float[] other = gathered.get(name);
            double difference = 0;
            double size = 0;
            for (int i = 0; i < values.length; i++) {
                difference += Math.pow((double) values[i] - other[i], 2);
                size += Math.pow(values[i], 2);
            }
            double relative = Math.sqrt(difference / Math.max(size, 1e-30));
            assertTrue(relative <= limit, () -> name + " differs by " + relative);
        });
    }

    @ParameterizedTest(name = "{1} of {0}, {2} copies of {3} shares, ZeRO {4}, in double precision: {5}")
    @CsvSource({
        "arch/llama, full, 1, 2, 0, false",
        "arch/llama, lora, 1, 2, 0, true",
        "arch/llama, lora, 1, 4, 0, true",
        "arch/gpt2, full, 1, 2, 0, true",
        "arch/gpt2, lora, 1, 2, 0, false",
        "arch/phi3, lora, 1, 2, 0, false",
        "arch/mixtral, full, 1, 2, 0, false",
        "arch/mixtral, lora, 1, 2, 0, false",
        "arch/llama, qlora, 1, 2, 0, false",
        "arch/gpt2, qlora, 1, 2, 0, false",
        "arch/mixtral, qlora, 1, 2, 0, false",
        "arch/llama, full, 2, 2, 0, false",
        "arch/gpt2, lora, 2, 2, 1, true",
        "arch/llama, full, 2, 2, 3, false",
    })
    void tenStepsOnSharesAreTenSteps(String model, String method, int copies, int shares, int stage, boolean exact) {
        Training training = new Training(model, method, stage, exact, false);
        List<StepMetrics> expected = training.alone(directory.resolve("a"), directory.resolve("whole"));
        requireSame(expected, training.divided(copies, shares, directory.resolve("b"), directory.resolve("gathered")));
        requireSameFiles(
                directory.resolve("whole"),
                directory.resolve("gathered"),
                exact || method.equals("full") ? 1e-5 : 2e-4);
    }

    @ParameterizedTest(name = "{0} copies of {1} shares, ZeRO {2}")
    @CsvSource({"1, 2, 0", "2, 2, 1"})
    void sharesGoOnFromWhatTheWholeSavedAndTheOtherWayRound(int copies, int shares, int stage) throws IOException {
        Training training = new Training("arch/llama", "full", stage, true, false);
        Training resumed = new Training("arch/llama", "full", stage, true, true);
        List<StepMetrics> expected = training.alone(directory.resolve("a"), directory.resolve("whole"));
        training.divided(copies, shares, directory.resolve("b"), directory.resolve("gathered"));
        for (String output : List.of("a", "b")) {
            deleteCheckpoint(directory.resolve(output), 10);
        }
        List<StepMetrics> fromWhole = resumed.divided(copies, shares, directory.resolve("a"), directory.resolve("c"));
        List<StepMetrics> fromShares = resumed.alone(directory.resolve("b"), directory.resolve("d"));
        requireSame(expected.subList(5, 10), fromWhole);
        requireSame(expected.subList(5, 10), fromShares);
        requireSameFiles(directory.resolve("whole"), directory.resolve("c"), 1e-5);
        requireSameFiles(directory.resolve("whole"), directory.resolve("d"), 1e-5);
    }

    private static void deleteCheckpoint(Path output, int step) throws IOException {
        try (Stream<Path> files = Files.walk(output.resolve("checkpoint-" + step))) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    @Test
    void anOptimizerThatNeedsWholeWeightsIsRefusedByName() {
        TrainingArguments arguments =
                TrainingArguments.builder().optimizer("adafactor").maxSteps(1).build();
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> LocalRanks.run(2, PATIENCE, world -> {
                    try (Communicator alone = world.split(world.rank(), 0);
                            TensorParallel parallel = new TensorParallel(world, ExpertDivision.SLICES);
                            CausalLM share =
                                    parallel.load(TensorPass.GOLDENS.resolve("arch/llama"), LoadOptions.defaults());
                            AttachedStrategy full = new FullFineTuning().attach(share);
                            Membership membership =
                                    new TensorParallelGroup(world, alone, parallel).join(share, full, arguments)) {
                        assertEquals(2, membership.ranks());
                    }
                }));
        assertTrue(String.valueOf(e.getMessage()).startsWith("optim adafactor needs whole weights"), e::getMessage);
    }
}
