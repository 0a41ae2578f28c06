package org.finetune4j.peft.merge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.memory.ProcessMemory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whole model directories merged, against the recorded numbers for tensors. */
class CheckpointMergeTest {

    private static final double[] WEIGHTS = {0.5, 1, 0.8f};

    @TempDir
    Path directory;

    private final TensorScope scope = TensorScope.open();
    private final SafetensorsFile golden = SafetensorsFile.open(MergeParityTest.golden("tensors.safetensors"));
    private Path base;
    private List<Path> models;

    @BeforeEach
    void write() {
        base = Checkpoints.write(directory.resolve("base"), tensors("base."));
        models = IntStream.range(0, 3)
                .mapToObj(i -> Checkpoints.write(directory.resolve("model" + i), tensors("model" + i + ".")))
                .toList();
    }

    @AfterEach
    void close() {
        golden.close();
        scope.close();
    }

    private Map<String, Tensor> tensors(String prefix) {
        return Map.of("w", golden.tensor(prefix + "w"), "b", golden.tensor(prefix + "b"));
    }

    private static MergeSettings settings(double density, double t) {
        return new MergeSettings(WEIGHTS, density, MajoritySign.TOTAL, 1, t, 7);
    }

    @ParameterizedTest
    @CsvSource({
        "linear, soup_weighted, false",
        "task_arithmetic, task_arithmetic, false",
        "ties, ties_total, true",
        "magnitude_prune, magnitude_prune, true"
    })
    void givesTheNumbersOfTheTensors(String method, String expected, boolean isTaskVector) {
        merge(models, MergeMethod.parse(method), settings(0.4, 0));
        for (String part : List.of("w", "b")) {
            Tensor wanted = golden.tensor(expected + "." + part);
            near(isTaskVector ? wanted.add(golden.tensor("base." + part)) : wanted, part);
        }
    }

    @Test
    void slerpGoesFromOneModelToTheOther() {
        MergeSettings quarter = new MergeSettings(new double[] {1, 1}, 1, MajoritySign.TOTAL, 1, 0.25, 0);
        merge(models.subList(0, 2), MergeMethod.SLERP, quarter);
        near(golden.tensor("slerp_0.25.w"), "w");
        assertThrows(UserErrorException.class, () -> merge(models, MergeMethod.SLERP, settings(1, 0.5)));
    }

    @Test
    void dareOfEverythingIsTaskArithmetic() {
        merge(models, MergeMethod.DARE_LINEAR, settings(1, 0));
        near(golden.tensor("task_arithmetic.w"), "w");
        merge(models, MergeMethod.DARE_TIES, settings(1, 0));
        merge(models, MergeMethod.DARE_LINEAR, settings(0.5, 0));
        try (CheckpointReader reader = CheckpointReader.open(directory.resolve("out"))) {
            // Some values lost all of their task vectors and are the base's.
            Tensor same = reader.tensor("w").eq(golden.tensor("base.w")).to(DType.INT64);
            assertTrue(same.sum().item() > 0);
        }
    }

    @Test
    void shardsDoNotMatterAndTheDtypeIsTheFirstModels() {
        Tensor large = Tensors.randn(DType.FLOAT32, Device.CPU, 1500, 1000); // more than one slice
        Tensor other = Tensors.randn(DType.FLOAT32, Device.CPU, 1500, 1000);
        Tensor small = Tensors.randn(DType.FLOAT32, Device.CPU, 7);
        Path first = Checkpoints.write(
                directory.resolve("sharded"), Map.of("a", large.to(DType.BFLOAT16), "z", small), 2_000_000);
        Path second = Checkpoints.write(directory.resolve("whole"), Map.of("a", other, "z", small.mul(3)));
        assertTrue(Files.exists(first.resolve("model.safetensors.index.json")));
        CheckpointMerge.write(
                List.of(first, second), null, MergeMethod.LINEAR, MergeSettings.of(3, 1), directory.resolve("out"));
        try (CheckpointReader reader = CheckpointReader.open(directory.resolve("out"))) {
            assertEquals(DType.BFLOAT16, reader.dtype("a"));
            Tensor wanted = large.to(DType.BFLOAT16).to(DType.FLOAT32).mul(0.75).addScaled(other, 0.25);
            near(wanted.to(DType.BFLOAT16), "a");
            near(small.mul(1.5), "z");
        }
        assertTrue(Files.exists(directory.resolve("out/config.json")));
    }

    @Test
    void whatDoesNotFitIsToldInOneLine() {
        Path shape = Checkpoints.write(
                directory.resolve("shape"), Map.of("w", golden.tensor("base.b"), "b", golden.tensor("base.b")));
        Path missing = Checkpoints.write(directory.resolve("missing"), Map.of("w", golden.tensor("base.w")));
        assertRefused(List.of(base, shape), "tensor 'w' has the shape");
        assertRefused(List.of(base, missing), "no tensor 'b'");
        assertRefused(List.of(missing, base), "tensor 'b' is not in");
        assertRefused(List.of(base, directory.resolve("nowhere")), "no model directory");
        assertRefused(List.of(base, directory.resolve("out")), "is what is read");
        assertThrows(
                UserErrorException.class,
                () -> CheckpointMerge.write(
                        models, null, MergeMethod.TIES, settings(0.5, 0), directory.resolve("out")));
        assertFalse(Files.exists(directory.resolve("out")));
        String unknown = assertThrows(UserErrorException.class, () -> MergeMethod.parse("tie"))
                .getMessage();
        assertTrue(unknown.contains("'ties'"), unknown);
    }

    /** Three models and their base of 32 MB, then of 192 MB each: both need the same memory. */
    @Test
    void memoryGrowsWithTheLargestTensorAndNotWithTheModels() throws InterruptedException {
        long small = peakOfMerging(4);
        long large = peakOfMerging(24);
        long grown = large - small;
        assertTrue(grown < 128L << 20, "grew by " + (grown >> 20) + " MB, the models by 640 MB");
    }

    private long peakOfMerging(int tensors) throws InterruptedException {
        Tensor values = Tensors.randn(DType.FLOAT32, Device.CPU, 2, 1 << 20); // 8 MB
        Map<String, Tensor> weights = new HashMap<>();
        IntStream.range(0, tensors).forEach(i -> weights.put("layer" + i, values));
        List<Path> copies = IntStream.range(0, 4)
                .mapToObj(model -> Checkpoints.write(directory.resolve("large" + model), weights))
                .toList();
        AtomicLong peak = new AtomicLong();
        AtomicBoolean done = new AtomicBoolean();
        Thread watch = new Thread(() -> {
            while (!done.get()) {
                peak.accumulateAndGet(ProcessMemory.residentBytes(), Math::max);
                LockSupport.parkNanos(2_000_000);
            }
        });
        watch.start();
        CheckpointMerge.write(
                copies.subList(1, 4),
                copies.get(0),
                MergeMethod.TASK_ARITHMETIC,
                MergeSettings.of(1, 1, 1),
                directory.resolve("out"));
        done.set(true);
        watch.join();
        return peak.get();
    }

    private void assertRefused(List<Path> given, String expected) {
        String message = assertThrows(
                        UserErrorException.class,
                        () -> CheckpointMerge.write(
                                given, null, MergeMethod.LINEAR, MergeSettings.of(1, 1), directory.resolve("out")))
                .getMessage();
        assertTrue(message.contains(expected), message);
    }

    private void merge(List<Path> given, MergeMethod method, MergeSettings settings) {
        CheckpointMerge.write(given, base, method, settings, directory.resolve("out"));
    }

    private void near(Tensor expected, String name) {
        try (CheckpointReader reader = CheckpointReader.open(directory.resolve("out"))) {
            double difference = reader.tensor(name).sub(expected).abs().max().item();
            assertTrue(difference <= 1e-6, () -> name + " differs by " + difference);
        }
    }
}
