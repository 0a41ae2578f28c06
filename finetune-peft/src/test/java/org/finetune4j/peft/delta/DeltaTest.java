package org.finetune4j.peft.delta;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.peft.merge.Checkpoints;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A delta put onto its base gives the model again, as exactly as its form allows, and goes onto no other base. */
class DeltaTest {

    @TempDir
    Path directory;

    private final TensorScope scope = TensorScope.open();
    private Path base;
    private Path model;
    private Path file;
    private Tensor matrix;
    private Tensor change;
    private Tensor bias;
    private Tensor constant;

    @BeforeEach
    void write() {
        Torch.seed(3);
        matrix = random(30, 20);
        change = random(30, 2).matmul(random(2, 20)).mul(0.01); // of rank 2
        bias = random(20);
        constant = random(5);
        base = Checkpoints.write(directory.resolve("base"), Map.of("w", matrix, "b", bias, "c", constant));
        model = Checkpoints.write(
                directory.resolve("model"), Map.of("w", matrix.add(change), "b", bias.add(0.5), "c", constant));
        file = directory.resolve("delta.safetensors");
    }

    @AfterEach
    void close() {
        scope.close();
    }

    private static Tensor random(long... shape) {
        return Tensors.randn(DType.FLOAT32, Device.CPU, shape);
    }

    @Test
    void aDenseDeltaGivesTheModelAndLeavesOutWhatDidNotChange() {
        Delta.Summary summary = Delta.diff(base, model, new DeltaForm.Dense(), file);
        assertEquals(new Delta.Summary(3, 2, 30 * 20 + 20, 0), summary);
        assertApplied(1, matrix.add(change), bias.add(0.5), 1e-6);
        assertApplied(0.5, matrix.addScaled(change, 0.5), bias.add(0.25), 1e-6);
    }

    @Test
    void aDeltaOfLowRankIsExactWhereTheChangeHasThatRank() {
        Delta.Summary summary = Delta.diff(base, model, new DeltaForm.LowRank(2), file);
        assertEquals(2 * (30 + 20) + 20, summary.numbers());
        assertTrue(summary.relativeError() < 1e-5, summary::toString);
        assertApplied(1, matrix.add(change), bias.add(0.5), 1e-6);
        Delta.Summary cut = Delta.diff(base, model, new DeltaForm.LowRank(1), file);
        assertTrue(cut.relativeError() > 1e-3, cut::toString);
    }

    @Test
    void energyChoosesTheRank() {
        assertEquals(
                2 * (30 + 20) + 20,
                Delta.diff(base, model, new DeltaForm.Energy(0.99999), file).numbers());
        assertEquals(
                30 + 20 + 20,
                Delta.diff(base, model, new DeltaForm.Energy(0.1), file).numbers());
    }

    @Test
    void aSparseDeltaKeepsLargeValuesWithTheirPlaces() {
        double threshold = 0.01;
        Delta.Summary summary = Delta.diff(base, model, new DeltaForm.Sparse(threshold), file);
        Tensor actual = matrix.add(change).sub(matrix);
        Tensor large = actual.abs().greaterThan(threshold).to(DType.FLOAT32);
        assertEquals(2 * (large.sum().item() + 20), summary.numbers());
        assertTrue(summary.relativeError() > 0 && summary.relativeError() < 0.1, summary::toString);
        assertApplied(1, matrix.add(actual.mul(large)), bias.add(0.5), 1e-6);
        assertEquals(0, Delta.diff(base, model, new DeltaForm.Sparse(100), file).numbers());
    }

    @Test
    void bfloat16ModelsComeBackBitForBit() {
        Path small = Checkpoints.write(directory.resolve("bf16"), Map.of("w", matrix.to(DType.BFLOAT16)));
        Tensor tuned = matrix.add(change).to(DType.BFLOAT16);
        Path fine = Checkpoints.write(directory.resolve("bf16-tuned"), Map.of("w", tuned));
        Delta.diff(small, fine, new DeltaForm.Dense(), file);
        Delta.apply(small, file, 1, directory.resolve("out"));
        try (CheckpointReader out = CheckpointReader.open(directory.resolve("out"))) {
            assertEquals(DType.BFLOAT16, out.dtype("w"));
            assertEquals(0, out.tensor("w").sub(tuned).abs().max().item());
        }
    }

    @Test
    void aDeltaGoesOntoItsOwnBaseOnly() {
        Delta.diff(base, model, new DeltaForm.Dense(), file);
        assertRefused(model, "taken from another base");
        Path sharded =
                Checkpoints.write(directory.resolve("sharded"), Map.of("w", matrix, "b", bias, "c", constant), 2000);
        Delta.apply(sharded, file, 1, directory.resolve("out"));
        try (SafetensorsFile written = SafetensorsFile.open(file);
                CheckpointReader reader = CheckpointReader.open(sharded)) {
            assertEquals(written.metadata().get("base_sha256"), WeightsHash.of(reader));
        }
    }

    @Test
    void whatIsNoDeltaIsRefused() {
        Path weights = base.resolve("model.safetensors");
        String message = assertThrows(
                        UserErrorException.class, () -> Delta.apply(base, weights, 1, directory.resolve("out")))
                .getMessage();
        assertTrue(message.contains("no delta"), message);
        Path other = Checkpoints.write(directory.resolve("other"), Map.of("w", matrix));
        message = assertThrows(UserErrorException.class, () -> Delta.diff(base, other, new DeltaForm.Dense(), file))
                .getMessage();
        assertTrue(message.contains("no tensor 'b'"), message);
        assertFalse(Files.exists(file));
        assertThrows(UserErrorException.class, () -> new DeltaForm.LowRank(0));
        assertThrows(UserErrorException.class, () -> new DeltaForm.Energy(1.5));
        assertThrows(UserErrorException.class, () -> new DeltaForm.Sparse(Double.NaN));
    }

    private void assertRefused(Path onto, String expected) {
        String message = assertThrows(
                        UserErrorException.class, () -> Delta.apply(onto, file, 1, directory.resolve("out")))
                .getMessage();
        assertTrue(message.contains(expected), message);
        assertFalse(Files.exists(directory.resolve("out")));
    }

    private void assertApplied(double scale, Tensor w, Tensor b, double limit) {
        Delta.apply(base, file, scale, directory.resolve("out"));
        try (CheckpointReader out = CheckpointReader.open(directory.resolve("out"))) {
            assertTrue(out.tensor("w").sub(w).abs().max().item() <= limit);
            assertTrue(out.tensor("b").sub(b).abs().max().item() <= limit);
            assertEquals(0, out.tensor("c").sub(constant).abs().max().item());
        }
    }
}
