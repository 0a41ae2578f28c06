package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PackedWeightTest {

    @BeforeEach
    void onlyWhereTheyAreUsed() {
        assumeTrue(PackedWeight.isFaster(), "only where oneDNN is better than MKL");
    }

    private static Tensor numbers(long rows, long columns, double step) {
        return Tensors.arange(rows * columns, Device.CPU)
                .reshape(rows, columns)
                .to(DType.FLOAT32)
                .mul(step)
                .sin();
    }

    @ParameterizedTest
    @CsvSource({"400, 200", "1, 7", "96, 1536", "33, 4100"})
    void aRowsProductIsTheSameToTheLastDigitHoweverManyThereAre(long out, long in) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor weight = numbers(out, in, 0.3);
            Tensor bias = numbers(1, out, 0.9).view(out);
            Tensor all = numbers(300, in, 0.7);
            float[] expected = all.matmul(weight.t()).add(bias).toFloatArray();
            try (PackedWeight packed = PackedWeight.of(weight)) {
                Tensor together = packed.multiply(all, bias);
                assertArrayEquals(expected, together.toFloatArray(), 1e-3f);
                for (int rows : new int[] {1, 2, 3, 5, 8, 17, 64, 65, 130, 299}) {
                    float[] first = together.narrow(0, 0, rows).contiguous().toFloatArray();
                    Tensor few = packed.multiply(all.narrow(0, 0, rows), bias);
                    assertArrayEquals(first, few.toFloatArray(), rows + " rows");
                }
            }
        }
    }

    /** A checkpoint can have any numbers. */
    @Test
    void aWeightWithoutANumberIsMultipliedToo() {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor weight = numbers(70, 90, 0.3);
            weight.narrow(0, 3, 1).fillInPlace(Double.NaN);
            Tensor x = numbers(5, 90, 0.7);
            try (PackedWeight packed = PackedWeight.of(weight)) {
                assertArrayEquals(
                        x.matmul(weight.t()).toFloatArray(),
                        packed.multiply(x, null).toFloatArray(),
                        1e-4f);
                assertArrayEquals(weight.toFloatArray(), packed.unpack().toFloatArray());
            }
        }
    }

    @Test
    void neitherRowsNorWeightNeedBeContiguous() {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor weight = numbers(200, 400, 0.3).t(); // [400, 200]
            Tensor x = numbers(200, 5, 0.7).t(); // [5, 200]
            try (PackedWeight packed = PackedWeight.of(weight)) {
                float[] expected = x.matmul(weight.t()).toFloatArray();
                assertArrayEquals(expected, packed.multiply(x, null).toFloatArray(), 1e-4f);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"400, 200", "1, 7", "96, 1536", "33, 4100"})
    void unpackedItIsTheWeight(long out, long in) {
        try (TensorScope scope = TensorScope.open()) {
            Tensor weight = numbers(out, in, 0.3);
            try (PackedWeight packed = PackedWeight.of(weight)) {
                assertArrayEquals(weight.toFloatArray(), packed.unpack().toFloatArray());
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"400, 200", "1, 7", "96, 1536", "33, 4100"})
    void aWeightInItsOwnOrderIsMultipliedToo(long out, long in) {
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            Tensor weight = numbers(out, in, 0.3);
            Tensor x = numbers(in, 16, 0.7).t(); // [16, in]
            float[] expected = x.matmul(weight.t()).toFloatArray();
            assertArrayEquals(expected, InnerProduct.of(x, weight).toFloatArray(), 1e-3f);
        }
    }

    @Test
    void usedAfterCloseIsAnException() {
        try (TensorScope scope = TensorScope.open()) {
            PackedWeight packed = PackedWeight.of(numbers(8, 8, 0.3));
            packed.close();
            assertThrows(IllegalStateException.class, () -> packed.multiply(numbers(2, 8, 0.3), null));
        }
    }
}
