package org.finetune4j.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

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
