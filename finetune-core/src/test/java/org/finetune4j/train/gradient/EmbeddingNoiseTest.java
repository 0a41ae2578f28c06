package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.Test;

class EmbeddingNoiseTest {

    @Test
    void theNoiseIsUniformAndAsLargeAsThePaperSays() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor embedded = Tensors.zeros(DType.FLOAT32, Device.CPU, 2, 50, 100);
            Torch.seed(3);
            float[] noise = new EmbeddingNoise(5).addTo(embedded, null).toFloatArray();
            double limit = 5 / Math.sqrt(50 * 100);
            double sum = 0;
            double squares = 0;
            for (float value : noise) {
                assertTrue(Math.abs(value) <= limit);
                sum += value;
                squares += value * value;
            }
            // A uniform number has the mean 0 and the variance limit^2 / 3.
            assertEquals(0, sum / noise.length, 0.02 * limit);
            assertEquals(limit * limit / 3, squares / noise.length, 0.02 * limit * limit);
            Torch.seed(3);
            assertArrayEquals(noise, new EmbeddingNoise(5).addTo(embedded, null).toFloatArray());
            assertArrayEquals(new float[10_000], embedded.toFloatArray());
            assertSame(embedded, EmbeddingNoise.none().addTo(embedded, null));
        }
    }
}
