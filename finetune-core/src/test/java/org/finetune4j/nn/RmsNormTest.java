package org.finetune4j.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.Arrays;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RmsNormTest {

    @ParameterizedTest
    @CsvSource({"true, 64, 1", "false, 64, 9", "false, 7, 3", "true, 1, 2"})
    void decodingNormalisesAsEverythingElseAndARowAsAmongOthers(boolean onePlus, int size, int rows) {
        Norm.Factory norms = onePlus ? RmsNorm.onePlusFactory(1e-6) : RmsNorm.factory(1e-6);
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.disabled();
                RmsNorm norm = (RmsNorm) norms.create(ones(), size)) {
            norm.weight().value().copyInPlace(numbers(1, size, 0.9).view(size));
            Tensor x = numbers(rows, size, 0.7); // [rows, 1, size]
            SequenceContext decoding = new SequenceContext(Tensors.arange(1, Device.CPU), null, null, new Decoder());
            float[] all = norm.forward(x, decoding).toFloatArray();
            assertArrayEquals(norm.forward(x).toFloatArray(), all, 2e-6f);
            assertArrayEquals(
                    norm.forward(x).toFloatArray(), norm.forward(x, null).toFloatArray());
            float[] last = norm.forward(x.narrow(0, rows - 1, 1), decoding).toFloatArray();
            assertArrayEquals(Arrays.copyOfRange(all, all.length - size, all.length), last);
        }
    }

    /** A cache that is never asked. */
    private static final class Decoder implements KeyValueCache {

        @Override
        public int length() {
            return 0;
        }

        @Override
        public boolean isForDecoding() {
            return true;
        }

        @Override
        public Tensor attend(
                int layer, Tensor query, Tensor keys, Tensor values, Attention attention, SequenceContext context) {
            throw new UnsupportedOperationException();
        }
    }

    private static Weights ones() {
        return Weights.of(new Weights.Source() {
            @Override
            public boolean contains(String name) {
                return true;
            }

            @Override
            public Tensor tensor(String name, Initialization initialization, long[] shape) {
                return Tensors.ones(DType.FLOAT32, Device.CPU, shape).unscoped();
            }
        });
    }

    private static Tensor numbers(int rows, int size, double step) {
        return Tensors.arange((long) rows * size, Device.CPU)
                .to(DType.FLOAT32)
                .mul(step)
                .sin()
                .view(rows, 1, size);
    }
}
