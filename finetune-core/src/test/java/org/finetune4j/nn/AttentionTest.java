package org.finetune4j.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Objects;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AttentionTest {

    private static final int HEAD_DIM = 8;

    @ParameterizedTest
    @CsvSource({"4, 4", "4, 2", "6, 1"})
    void causalAttentionEqualsThePlainFormula(int heads, int kvHeads) {
        Torch.seed(1);
        int seq = 7;
        try (TensorScope scope = TensorScope.open()) {
            Tensor query = Tensors.randn(DType.FLOAT32, Device.CPU, 2, seq, heads * HEAD_DIM);
            Tensor key = Tensors.randn(DType.FLOAT32, Device.CPU, 2, seq, kvHeads * HEAD_DIM);
            Tensor value = Tensors.randn(DType.FLOAT32, Device.CPU, 2, seq, kvHeads * HEAD_DIM);
            double scale = 1 / Math.sqrt(HEAD_DIM);
            SequenceContext causal = new SequenceContext(Tensors.arange(seq, Device.CPU), null, null, null);
            float[] actual = new Attention(heads, kvHeads, HEAD_DIM, scale, 0)
                    .forward(query, key, value, 0, causal)
                    .toFloatArray();
            double[] expected =
                    plain(query.toFloatArray(), key.toFloatArray(), value.toFloatArray(), seq, heads, kvHeads, scale);
            for (int i = 0; i < actual.length; i++) {
                assertEquals(expected[i], actual[i], 1e-5);
            }
        }
    }

    /** By the fused kernel with a key more, without a mask and with one, and by the formula for new tokens. */
    @ParameterizedTest
    @CsvSource({"4, 4", "4, 2", "6, 1"})
    void aSinkTakesItsShareOfTheSoftmaxAndGivesNothing(int heads, int kvHeads) {
        Torch.seed(2);
        int seq = 9;
        try (TensorScope scope = TensorScope.open();
                Parameter sinks = new Parameter("sinks", Tensors.randn(DType.FLOAT64, Device.CPU, heads))) {
            sinks.train(DType.FLOAT64);
            Attention attention = new Attention(heads, kvHeads, HEAD_DIM, 0.4, 0).withSinks(sinks);
            Tensor query = Tensors.randn(DType.FLOAT64, Device.CPU, 2, seq, heads, HEAD_DIM);
            Tensor keys = Tensors.randn(DType.FLOAT64, Device.CPU, 2, seq, kvHeads, HEAD_DIM);
            Tensor values = Tensors.randn(DType.FLOAT64, Device.CPU, 2, seq, kvHeads, HEAD_DIM);
            Tensor index = Tensors.arange(seq, Device.CPU);
            Tensor triangle = index.unsqueeze(0).lessOrEqual(index.unsqueeze(1)); // [seq, seq]
            Tensor expected = byFormula(query, keys, values, triangle, sinks.value(), heads / kvHeads);
            double[] wanted = expected.toDoubleArray();
            double[] gradient = gradient(expected, sinks);
            for (Tensor mask :
                    new Tensor[] {null, triangle, triangle.unsqueeze(0).unsqueeze(0)}) {
                Tensor actual = attention.over(query, keys, values, mask, mask == null);
                assertArrayEquals(wanted, actual.toDoubleArray(), 1e-12);
                assertArrayEquals(gradient, gradient(actual, sinks), 1e-12);
            }
            Tensor last = attention.over(query.narrow(1, seq - 1, 1), keys, values, null, true);
            assertArrayEquals(expected.narrow(1, seq - 1, 1).toDoubleArray(), last.toDoubleArray(), 1e-12);
        }
    }

    private static double[] gradient(Tensor output, Parameter sinks) {
        sinks.clearGrad();
        Autograd.backward(output.square().sum());
        return Objects.requireNonNull(sinks.grad()).toDoubleArray();
    }

    /** [batch, seq, heads * headDim], with a column of scores more that is dropped after the softmax. */
    private static Tensor byFormula(
            Tensor query, Tensor keys, Tensor values, Tensor mask, Tensor sinks, int queriesOfAKey) {
        Tensor k = keys.repeatInterleave(queriesOfAKey, 2).permute(0, 2, 3, 1); // [batch, heads, headDim, seq]
        Tensor v = values.repeatInterleave(queriesOfAKey, 2).transpose(1, 2); // [batch, heads, seq, headDim]
        Tensor scores = query.transpose(1, 2).matmul(k).mul(0.4).copy(); // [batch, heads, seq, seq]
        scores.maskedFillInPlace(mask.logicalNot(), Double.NEGATIVE_INFINITY);
        long[] shape = scores.shape();
        Tensor column = sinks.view(1, -1, 1, 1).expand(shape[0], shape[1], shape[2], 1);
        Tensor shares = Tensors.cat(List.of(scores, column), 3).softmax(-1).narrow(3, 0, shape[3]);
        return shares.matmul(v).transpose(1, 2).reshape(shape[0], shape[2], -1);
    }

    private static double[] plain(
            float[] query, float[] key, float[] value, int seq, int heads, int kvHeads, double scale) {
        int batch = query.length / (seq * heads * HEAD_DIM);
        double[] out = new double[query.length];
        for (int b = 0; b < batch; b++) {
            for (int h = 0; h < heads; h++) {
                int kv = h / (heads / kvHeads);
                for (int q = 0; q < seq; q++) {
                    int queryAt = ((b * seq + q) * heads + h) * HEAD_DIM;
                    double[] weights = new double[q + 1];
                    double sum = 0;
                    for (int k = 0; k <= q; k++) {
                        double product = 0;
                        for (int d = 0; d < HEAD_DIM; d++) {
                            product += query[queryAt + d] * key[((b * seq + k) * kvHeads + kv) * HEAD_DIM + d];
                        }
                        weights[k] = Math.exp(scale * product);
                        sum += weights[k];
                    }
                    for (int k = 0; k <= q; k++) {
                        for (int d = 0; d < HEAD_DIM; d++) {
                            out[queryAt + d] += weights[k] / sum * value[((b * seq + k) * kvHeads + kv) * HEAD_DIM + d];
                        }
                    }
                }
            }
        }
        return out;
    }

    @Test
    void aRotationKeepsLengthsAndDependsOnDistanceOnly() {
        RotaryFrequencies frequencies = RotaryFrequencies.standard(HEAD_DIM, 10_000);
        try (TensorScope scope = TensorScope.open()) {
            Rotation rotation = Rotation.of(frequencies, new int[] {3, 5, 13, 15}, 1, Device.CPU, DType.FLOAT32);
            Tensor x =
                    Tensors.randn(DType.FLOAT32, Device.CPU, 1, 1, 1, HEAD_DIM).expand(1, 4, 1, HEAD_DIM);
            Tensor turned = rotation.apply(x.contiguous());
            double length = x.select(1, 0).norm().item();
            for (int i = 0; i < 4; i++) {
                assertEquals(length, turned.select(1, i).norm().item(), 1e-5);
            }
            double near = product(turned, 0, 1);
            assertEquals(near, product(turned, 2, 3), 1e-4);
            assertTrue(Math.abs(near - product(turned, 0, 3)) > 1e-4);
        }
    }

    /** Neighbours turn as the elements of two halves do that are put in their places. */
    @Test
    void neighboursTurnByTheAnglesOfHalves() {
        RotaryFrequencies halves = RotaryFrequencies.standard(HEAD_DIM, 100);
        long half = HEAD_DIM / 2;
        try (TensorScope scope = TensorScope.open()) {
            int[] positions = {0, 3, 8};
            Tensor x = Tensors.randn(DType.FLOAT32, Device.CPU, 2, 3, 2, HEAD_DIM);
            Tensor inPlaces = x.view(2, 3, 2, half, 2).transpose(3, 4).reshape(2, 3, 2, HEAD_DIM);
            Tensor expected = Rotation.of(halves, positions, 1, Device.CPU, DType.FLOAT32)
                    .apply(inPlaces)
                    .view(2, 3, 2, 2, half)
                    .transpose(3, 4)
                    .reshape(2, 3, 2, HEAD_DIM);
            Tensor actual = Rotation.of(halves.ofNeighbours(), positions, 1, Device.CPU, DType.FLOAT32)
                    .apply(x);
            assertArrayEquals(expected.toFloatArray(), actual.toFloatArray());
            RotaryEmbedding longer = new DynamicNtk(HEAD_DIM, 100, 2, 8).ofNeighbours();
            assertTrue(longer.frequencies(20).interleaved());
            assertEquals(20, longer.regime(20));
        }
    }

    private static double product(Tensor x, int first, int second) {
        return x.select(1, first).mul(x.select(1, second)).sum().item();
    }

    @Test
    void llama3ScalingLeavesShortWavesAndStretchesLongOnes() {
        RotaryFrequencies standard = RotaryFrequencies.standard(64, 500_000);
        double[] scaled = standard.llama3(8, 1, 4, 8192).values();
        assertEquals(standard.values()[0], scaled[0]);
        int last = scaled.length - 1;
        assertEquals(standard.values()[last] / 8, scaled[last], 1e-18);
    }
}
