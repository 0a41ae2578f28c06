package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.bytedeco.pytorch.global.torch;
import org.finetune4j.FinetuneException;
import org.junit.jupiter.api.Test;

class RandomGeneratorTest {

    private static float[] numbers(int count) {
        try (TensorScope scope = TensorScope.open()) {
            return Tensors.randn(DType.FLOAT32, Device.CPU, count).toFloatArray();
        }
    }

    private static float[] with(RandomGenerator random, Supplier<float[]> draw) {
        try (RandomGenerator.Use use = random.use()) {
            return draw.get();
        }
    }

    @Test
    void theNumbersAreThoseOfPyTorchsGeneratorOfThatSeed() {
        try (TensorScope scope = TensorScope.open()) {
            Torch.ensureLoaded();
            torch.manual_seed(42);
            float[] expected = Tensor.wrap(torch.randn(20)).toFloatArray();
            assertArrayEquals(expected, with(RandomGenerator.of(42), () -> numbers(20)));
            Torch.seed(42);
            assertArrayEquals(expected, numbers(20));
            // Recorded with PyTorch 2.7 by torch.manual_seed(42); torch.randn(20).
            assertArrayEquals(new float[] {1.9269f, 1.4873f, 0.9007f}, Arrays.copyOf(expected, 3), 1e-4f);
        }
    }

    @Test
    void generatorsInUseDoNotDisturbEachOtherNorTheThreadsOwn() {
        Torch.seed(1);
        float[] own = numbers(6);
        float[] other = with(RandomGenerator.of(2), () -> numbers(6));
        Torch.seed(1);
        RandomGenerator outer = RandomGenerator.of(2);
        float[] mixed = with(outer, () -> {
            float[] drawn = numbers(3);
            with(RandomGenerator.of(3), () -> numbers(5));
            float[] all = Arrays.copyOf(drawn, 6);
            System.arraycopy(numbers(3), 0, all, 3, 3);
            return all;
        });
        assertArrayEquals(
                with(RandomGenerator.of(2), () -> {
                    float[] all = Arrays.copyOf(numbers(3), 6);
                    System.arraycopy(numbers(3), 0, all, 3, 3);
                    return all;
                }),
                mixed);
        assertFalse(Arrays.equals(other, own));
        assertArrayEquals(own, numbers(6));
    }

    @Test
    void anotherThreadDrawsFromAnother() {
        Torch.seed(1);
        float[] expected = numbers(6);
        Torch.seed(1);
        CompletableFuture.runAsync(() -> {
                    Torch.seed(9);
                    numbers(100);
                })
                .join();
        assertArrayEquals(expected, numbers(6));
    }

    @Test
    void aStateIsRestoredOnEveryDeviceAndOneThatHadDrawnNothingStartsAnew() {
        RandomGenerator random = RandomGenerator.of(5);
        float[] first = with(random, () -> numbers(6));
        Map<String, byte[]> state = random.state();
        assertEquals(Set.of("cpu"), state.keySet());
        float[] second = with(random, () -> numbers(6));
        random.restore(state);
        assertArrayEquals(second, with(random, () -> numbers(6)));
        random.restore(Map.of());
        assertArrayEquals(first, with(random, () -> numbers(6)));
        // A checkpoint of a machine with more devices than this one.
        random.restore(Map.of("cpu", state.get("cpu"), "cuda:4095", new byte[16]));
        assertArrayEquals(second, with(random, () -> numbers(6)));
        assertThrows(FinetuneException.class, () -> random.restore(Map.of("cpu", new byte[3])));
    }

    @Test
    void dropoutLeavesAsManyAsItSaysAndScalesThemUp() {
        Torch.seed(7);
        try (TensorScope scope = TensorScope.open()) {
            Tensor ones = Tensors.ones(DType.FLOAT32, Device.CPU, 100, 1000);
            Tensor dropped = Functional.dropout(ones, 0.3);
            assertEquals(1, dropped.mean().item(), 0.01);
            float[] values = dropped.toFloatArray();
            for (float value : values) {
                assertEquals(value > 0 ? 1 / 0.7f : 0, value, 1e-6f);
            }
            assertEquals(0, Functional.dropout(ones, 1).abs().max().item());
        }
    }
}
