package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.nio.ByteBuffer;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Calls that once read or wrote beyond a tensor's memory, which ends the process or changes what is not ours. */
class NativeBoundsTest {

    private final TensorScope scope = TensorScope.open();

    @AfterEach
    void close() {
        scope.close();
    }

    private static Tensor floats(long... shape) {
        return Tensors.ones(DType.FLOAT32, Device.CPU, shape);
    }

    @Test
    void bytesOutsideOfATensor() {
        Tensor tensor = floats(25);
        assertThrows(TensorException.class, () -> tensor.readBytes(Long.MAX_VALUE - 50, new byte[100], 100));
        assertThrows(TensorException.class, () -> tensor.readBytes(0, new byte[100], -5));
        assertThrows(IllegalArgumentException.class, () -> MappedMemory.release(tensor, -64, 0));
        assertThrows(IllegalArgumentException.class, () -> MappedMemory.release(tensor, 0, 101));
    }

    @Test
    void numbersOfAnotherType() {
        Tensor bytes = Tensors.ones(DType.INT8, Device.CPU, 8);
        assertThrows(TensorException.class, () -> FloatRows.read(bytes));
    }

    @Test
    void gradientsOfAnotherShape() {
        Tensor value = floats(1000).requiresGrad(true);
        assertThrows(TensorException.class, () -> value.addGrad(floats(1)));
        assertThrows(TensorException.class, () -> value.addGrad(floats(1000).to(DType.FLOAT64)));
        List<Tensor> values = List.of(floats(1000));
        assertThrows(TensorException.class, () -> step(values, List.of(floats(1))));
        assertThrows(TensorException.class, () -> step(values, List.of()));
        assertThrows(TensorException.class, () -> step(values, List.of(floats(1).expand(1000))));
        assertThrows(TensorException.class, () -> step(List.of(floats(10, 10).t()), List.of(floats(10, 10))));
    }

    private static void step(List<Tensor> values, List<Tensor> gradients) {
        List<Tensor> moments = values.stream()
                .map(value -> Tensors.zeros(DType.FLOAT32, Device.CPU, value.shape()))
                .toList();
        FusedAdamW.step(values, gradients, moments, moments, 1, 1e-3, 0.9, 0.999, 0, 1e-8);
    }

    @Test
    void attentionToFewerKeysThanValues() {
        assertThrows(
                TensorException.class,
                () -> Functional.scaledDotProductAttention(
                        floats(1, 1, 8, 4), floats(1, 1, 2, 4), floats(1, 1, 9, 4), null, false, 1));
    }

    @Test
    void weightsThatDoNotFitAState() {
        List<Tensor> short1 = Collections.nCopies(8, floats(4));
        assertThrows(TensorException.class, () -> Functional.bidirectionalLstm(floats(1, 3, 4), short1, 4));
    }

    @Test
    void anArrayOfTexts() {
        Torch.ensureLoaded();
        try (NDManager manager = NDManager.newBaseManager("PyTorch");
                NDArray texts = manager.create("abc")) {
            assertThrows(TensorException.class, () -> NDArrayBridge.fromNDArray(texts));
        }
    }

    /** Nobody refers to the tensor but its view. */
    @Test
    void aViewKeepsItsTensor() {
        ByteBuffer view =
                Tensors.ones(DType.UINT8, Device.CPU, 1 << 20).unscoped().memory(0, 1 << 20);
        for (int i = 0; i < 5; i++) {
            System.gc();
            Tensors.zeros(DType.UINT8, Device.CPU, 1 << 20).close();
        }
        for (int at = 0; at < view.capacity(); at += 4096) {
            assertEquals(1, view.get(at));
        }
    }
}
