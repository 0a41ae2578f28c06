package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RowProductsTest {

    private static Tensor numbers(long rows, long columns, double step) {
        return Tensors.arange(rows * columns, Device.CPU)
                .reshape(rows, columns)
                .to(DType.FLOAT32)
                .mul(step)
                .sin();
    }

    @ParameterizedTest
    @ValueSource(ints = {5, 7, 8, 16, 17, 64})
    void areTheProductsOfTheRows(int rows) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor weight = numbers(400, 200, 0.3);
            Tensor x = numbers(rows, 200, 0.7);
            assumeTrue(RowProducts.isFaster(x, weight), "only where oneDNN is better than MKL");
            float[] expected = x.matmul(weight.t()).toFloatArray();
            assertArrayEquals(expected, RowProducts.multiply(x, weight).toFloatArray(), 1e-4f);
            Tensor columns = numbers(200, rows, 0.7).t(); // not contiguous
            float[] ofColumns = columns.matmul(weight.t()).toFloatArray();
            assertArrayEquals(ofColumns, RowProducts.multiply(columns, weight).toFloatArray(), 1e-4f);
        }
    }

    @Test
    void areNotUsedWhereABackwardPassIsRecordedOrRowsAreFewOrMany() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor weight = numbers(400, 200, 0.3);
            try (Autograd.Mode mode = Autograd.enabled()) {
                assertFalse(RowProducts.isFaster(numbers(16, 200, 0.7), weight));
            }
            try (Autograd.Mode mode = Autograd.disabled()) {
                assertFalse(RowProducts.isFaster(numbers(1, 200, 0.7), weight));
                assertFalse(RowProducts.isFaster(numbers(65, 200, 0.7), weight));
                assertFalse(RowProducts.isFaster(numbers(16, 20, 0.7), numbers(40, 20, 0.3)));
            }
        }
    }
}
