package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class FloatRowsTest {

    private static Tensor numbers(long... shape) {
        long count = 1;
        for (long size : shape) {
            count *= size;
        }
        return Tensors.arange(count, Device.CPU).to(DType.FLOAT32).view(shape);
    }

    @Test
    void numbersAreReadInRowMajorOrderHoweverTheyLie() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor wide = numbers(3, 1, 10);
            for (Tensor view : new Tensor[] {
                wide,
                wide.narrow(2, 2, 4),
                wide.narrow(2, 2, 4).view(3, 1, 2, 2),
                wide.narrow(0, 1, 2),
                wide.transpose(0, 2),
                numbers(2, 3, 4).transpose(1, 2),
                wide.narrow(0, 0, 0),
                wide.view(3, 1, 2, 5).narrow(3, 1, 2),
                wide.narrow(0, 1, 1).view(1, 1, 2, 5).narrow(3, 1, 2),
                numbers(1).view()
            }) {
                assertArrayEquals(view.toFloatArray(), FloatRows.read(view), view.toString());
            }
        }
    }

    @Test
    void whatIsWrittenIsReadBack() {
        try (TensorScope scope = TensorScope.open()) {
            float[] values = {1, 2, 3, 4, 5, 6};
            Tensor made = FloatRows.tensor(values, 2, 3);
            assertArrayEquals(values, made.toFloatArray());
            try (FloatRows.Numbers numbers = FloatRows.numbers(made)) {
                numbers.write(4, values, 0, 2);
                assertThrows(IndexOutOfBoundsException.class, () -> numbers.write(5, values, 0, 2));
                assertThrows(IndexOutOfBoundsException.class, () -> numbers.write(-1, values, 0, 2));
                assertThrows(IndexOutOfBoundsException.class, () -> numbers.write(0, values, 5, 2));
            }
            assertArrayEquals(new float[] {1, 2, 3, 4, 1, 2}, made.toFloatArray());
            assertThrows(TensorException.class, () -> FloatRows.tensor(values, 7));
            assertThrows(TensorException.class, () -> FloatRows.numbers(made.transpose(0, 1)));
        }
    }

    @Test
    void onlyFloat32NumbersOutsideOfABackwardPassAreRead() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor x = numbers(2);
            assertFalse(FloatRows.areReadable(x), "recorded");
            try (Autograd.Mode mode = Autograd.disabled()) {
                assertTrue(FloatRows.areReadable(x));
                assertFalse(FloatRows.areReadable(x.to(DType.BFLOAT16)));
            }
        }
    }

    @Test
    void aClosedTensorIsRefused() {
        Tensor x = Tensors.zeros(DType.FLOAT32, Device.CPU, 2);
        x.close();
        assertThrows(IllegalStateException.class, () -> FloatRows.read(x));
    }
}
