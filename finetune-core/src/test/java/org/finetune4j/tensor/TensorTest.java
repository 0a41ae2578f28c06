package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.finetune4j.train.memory.ProcessMemory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TensorTest {

    @Test
    void aMatrixProductThatDoesNotFitNamesBothShapes() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor left = Tensors.zeros(DType.FLOAT32, Device.CPU, 2, 3);
            Tensor right = Tensors.zeros(DType.FLOAT32, Device.CPU, 4, 5);
            TensorException e = assertThrows(TensorException.class, () -> left.matmul(right));
            assertTrue(e.getMessage().contains("[2, 3]") && e.getMessage().contains("[4, 5]"), e.getMessage());
        }
    }

    @Test
    void dtypesThatDoNotFitAreNamed() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor left = Tensors.zeros(DType.FLOAT32, Device.CPU, 2, 2);
            Tensor right = Tensors.zeros(DType.INT64, Device.CPU, 2, 2);
            TensorException e = assertThrows(TensorException.class, () -> left.matmul(right));
            assertTrue(e.getMessage().contains("float32") && e.getMessage().contains("int64"), e.getMessage());
        }
    }

    @Test
    void useAfterCloseIsAnExceptionForEveryKindOfUse() {
        Tensor tensor = Tensors.zeros(DType.FLOAT32, Device.CPU, 2);
        tensor.close();
        tensor.close();
        assertTrue(tensor.isClosed());
        assertThrows(IllegalStateException.class, () -> tensor.add(1));
        assertThrows(IllegalStateException.class, tensor::toFloatArray);
        assertThrows(IllegalStateException.class, tensor::shape);
        assertThrows(IllegalStateException.class, () -> tensor.add(tensor));
        assertThrows(IllegalStateException.class, () -> Autograd.backward(tensor));
    }

    @Test
    void aScopeFreesWhatWasMadeInItButForWhatIsKept() {
        Tensor kept;
        Tensor freed;
        Tensor unscoped;
        try (TensorScope outer = TensorScope.open()) {
            try (TensorScope inner = TensorScope.open()) {
                freed = Tensors.ones(DType.FLOAT32, Device.CPU, 3);
                kept = inner.keep(freed.add(1));
                unscoped = freed.add(2).unscoped();
            }
            assertTrue(freed.isClosed());
            assertArrayEquals(new float[] {2, 2, 2}, kept.toFloatArray());
        }
        assertTrue(kept.isClosed());
        assertArrayEquals(new float[] {3, 3, 3}, unscoped.toFloatArray());
        unscoped.close();
    }

    @Test
    void scopesCloseInTheReverseOrderOfOpening() {
        TensorScope outer = TensorScope.open();
        TensorScope inner = TensorScope.open();
        assertThrows(IllegalStateException.class, outer::close);
        inner.close();
        outer.close();
    }

    @Test
    void gradientsEqualFiniteDifferences() {
        double[] at = {0.3, -1.2, 0.7};
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.enabled()) {
            Tensor x = Tensors.of(at, 3).requiresGrad(true);
            Autograd.backward(f(x));
            double[] gradient = x.grad().toDoubleArray();
            double step = 1e-6;
            for (int i = 0; i < at.length; i++) {
                double[] up = at.clone();
                double[] down = at.clone();
                up[i] += step;
                down[i] -= step;
                double numeric =
                        (f(Tensors.of(up, 3)).item() - f(Tensors.of(down, 3)).item()) / (2 * step);
                assertEquals(numeric, gradient[i], 1e-7);
            }
        }
    }

    private static Tensor f(Tensor x) {
        return x.tanh().mul(x).add(x.square().exp()).sum();
    }

    /** No handle that waits for the collector keeps the memory: a run of many steps and little garbage would grow by all of them. */
    @Test
    void aGradientsMemoryIsFreeOnceItIsCleared() {
        int megabytes = 8;
        try (TensorScope scope = TensorScope.open()) {
            Tensor x = Tensors.ones(DType.FLOAT32, Device.CPU, megabytes << 18).requiresGrad(true);
            long before = 0;
            for (int step = 0; step < 60; step++) {
                try (TensorScope ofStep = TensorScope.open()) {
                    x.addGrad(Tensors.ones(DType.FLOAT32, Device.CPU, x.shape()));
                }
                x.clearGrad();
                before = step == 9 ? ProcessMemory.residentBytes() : before;
            }
            long grown = (ProcessMemory.residentBytes() - before) >> 20;
            assertTrue(grown < 10 * megabytes, "grown by " + grown + " MB");
        }
    }

    @Test
    void aBackwardPassFreesItsGraph() {
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.enabled()) {
            Tensor x = Tensors.ones(DType.FLOAT32, Device.CPU, 2).requiresGrad(true);
            Tensor loss = x.square().sum();
            Autograd.backward(loss);
            assertThrows(TensorException.class, () -> Autograd.backward(loss));
        }
    }

    @Test
    void theSameSeedGivesTheSameNumbersAndARestoredStateGoesOn() {
        try (TensorScope scope = TensorScope.open()) {
            Torch.seed(7);
            float[] first = Tensors.randn(DType.FLOAT32, Device.CPU, 4).toFloatArray();
            Map<String, byte[]> state = RandomGenerator.current().state();
            float[] second = Tensors.randn(DType.FLOAT32, Device.CPU, 4).toFloatArray();
            Torch.seed(7);
            assertArrayEquals(first, Tensors.randn(DType.FLOAT32, Device.CPU, 4).toFloatArray());
            RandomGenerator.current().restore(state);
            assertArrayEquals(
                    second, Tensors.randn(DType.FLOAT32, Device.CPU, 4).toFloatArray());
        }
    }

    @Test
    void anNdArrayAndItsTensorAreTheSameMemory() {
        try (TensorScope scope = TensorScope.open();
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            NDArray array = manager.create(new float[] {1, 2, 3});
            Tensor view = NDArrayBridge.fromNDArray(array);
            view.mulInPlace(2);
            assertArrayEquals(new float[] {2, 4, 6}, array.toFloatArray());

            Tensor tensor = Tensors.of(new float[] {5, 6}, 2);
            NDArray back = NDArrayBridge.toNDArray(tensor, manager);
            tensor.addInPlace(1);
            assertArrayEquals(new float[] {6, 7}, back.toFloatArray());
        }
    }

    @Test
    void theBridgeRefusesBfloat16WhichWouldEndTheProcess() {
        try (TensorScope scope = TensorScope.open();
                NDManager manager = NDManager.newBaseManager("PyTorch")) {
            Tensor tensor = Tensors.zeros(DType.BFLOAT16, Device.CPU, 2);
            RuntimeException e = assertThrows(RuntimeException.class, () -> NDArrayBridge.toNDArray(tensor, manager));
            assertTrue(e.getMessage().contains("bfloat16"), e.getMessage());
        }
    }

    @Test
    void aMappedFileIsReadWithoutCopying(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("floats");
        ByteBuffer bytes = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putFloat(1.5f).putFloat(-2).putFloat(3);
        Files.write(file, bytes.array());
        try (TensorScope scope = TensorScope.open()) {
            Tensor mapped = Tensors.mapped(file, 12);
            assertArrayEquals(
                    new float[] {1.5f, -2, 3}, mapped.viewAs(DType.FLOAT32).toFloatArray());
            mapped.viewAs(DType.FLOAT32).mulInPlace(2);
            assertArrayEquals(bytes.array(), Files.readAllBytes(file), "the file must not change");
        }
    }

    @Test
    void everyThreadCanBeTheFirst() throws InterruptedException, ExecutionException {
        ExecutorService executor = Executors.newFixedThreadPool(2);
        try {
            Future<Double> sum = executor.submit(() -> {
                try (TensorScope scope = TensorScope.open()) {
                    return Tensors.ones(DType.FLOAT32, Device.CPU, 5).sum().item();
                }
            });
            assertEquals(5, sum.get());
        } finally {
            executor.shutdown();
        }
    }

    @Test
    void aTensorThatAlreadyHasTheDtypeIsNotCopied() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor tensor = Tensors.zeros(DType.FLOAT32, Device.CPU, 2);
            assertSame(tensor, tensor.to(DType.FLOAT32));
            assertFalse(tensor.to(DType.BFLOAT16).isSame(tensor));
        }
    }

    @Test
    void conversionToBfloat16RoundsToNearestEven() {
        try (TensorScope scope = TensorScope.open()) {
            // 1 + 2^-8 lies half-way between two bfloat16 numbers: the even one is 1; 1 + 3 * 2^-8 goes up to 1 + 2^-6.
            Tensor tensor = Tensors.of(new float[] {1 + 0x1p-8f, 1 + 3 * 0x1p-8f}, 2);
            assertArrayEquals(
                    new float[] {1, 1 + 0x1p-6f},
                    tensor.to(DType.BFLOAT16).to(DType.FLOAT32).toFloatArray());
        }
    }
}
