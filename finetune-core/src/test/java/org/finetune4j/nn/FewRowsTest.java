package org.finetune4j.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.InnerProduct;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FewRowsTest {

    private final int threads = Torch.threads();

    @BeforeEach
    void twoThreads() {
        Torch.setThreads(2);
    }

    @AfterEach
    void asBefore() {
        Torch.setThreads(threads);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 16})
    void cutIntoPartsTheProductIsTheSame(int rows) {
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.disabled()) {
            Tensor x = random(rows, 1, 256);
            Tensor weight = random(512, 256);
            assertTrue(FewRows.isFaster(x, weight));
            Tensor product = FewRows.multiply(x, weight);
            assertArrayEquals(new long[] {rows, 1, 512}, product.shape());
            assertArrayEquals(
                    Functional.linear(x, weight, null).toFloatArray(),
                    product.contiguous().toFloatArray(),
                    1e-4f);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 16})
    void inTilesAWeightInASmallerTypeGivesTheProductOfTheConvertedOne(int rows) {
        assumeTrue(InnerProduct.isFaster(rows), "only where oneDNN is better than MKL");
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.disabled()) {
            Tensor x = random(rows, 1, 700);
            Tensor weight = random(1501, 700).to(DType.BFLOAT16); // two whole tiles and a little
            assertTrue(FewRows.isFasterInTiles(x, weight));
            Tensor product = FewRows.multiplyInTiles(x, weight);
            assertArrayEquals(new long[] {rows, 1, 1501}, product.shape());
            assertArrayEquals(
                    Functional.linear(x, weight.to(DType.FLOAT32), null).toFloatArray(),
                    product.contiguous().toFloatArray(),
                    1e-4f);
        }
    }

    @Test
    void whatTrainsOrIsSmallOrDoesNotDivideGoesTheOtherWay() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor x = random(1, 256);
            Tensor weight = random(512, 256);
            assertFalse(FewRows.isFaster(x, weight), "a backward pass follows");
            try (Autograd.Mode mode = Autograd.disabled()) {
                assertFalse(FewRows.isFaster(random(17, 256), weight), "many rows");
                assertFalse(FewRows.isFaster(x, random(16, 256)), "a small weight");
                assertFalse(FewRows.isFaster(x.to(DType.BFLOAT16), weight), "another type");
                boolean whole = InnerProduct.isFaster(1);
                assertEquals(whole, FewRows.isFaster(x, random(513, 256)), "no equal parts");
                Torch.setThreads(1);
                assertEquals(whole, FewRows.isFaster(x, weight), "one thread");
            }
        }
    }

    private static Tensor random(long... shape) {
        return Tensors.randn(DType.FLOAT32, Device.CPU, shape);
    }
}
