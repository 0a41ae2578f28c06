package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenLossTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/train/label_smoothing.safetensors");

    @Test
    void smoothedLabelsGiveTransformersLossAndGradient() {
        try (SafetensorsFile file = SafetensorsFile.open(GOLDEN);
                TensorScope scope = TensorScope.open()) {
            Tensor logits = file.tensor("logits"); // [2, 9, 17]
            long[] labels = file.tensor("labels").toLongArray();
            List<Integer> rows = new ArrayList<>();
            List<Integer> targets = new ArrayList<>();
            for (int at = 0; at < labels.length; at++) {
                if (at % 9 != 8 && labels[at + 1] != -100) {
                    rows.add(at);
                    targets.add((int) labels[at + 1]);
                }
            }
            Tensor index = Tensors.of(ints(rows), rows.size());
            Tensor target = Tensors.of(ints(targets), targets.size(), 1);
            TokenLoss loss = new TokenLoss(new LossOptions(0.1, 0), new VocabularySoftmax(null));
            TokenLoss.Gradient gradient =
                    loss.gradient(logits.reshape(-1, 17).indexSelect(0, index), target, 1.0 / rows.size());
            assertEquals(file.tensor("loss").item(), gradient.loss() / rows.size(), 1e-6);
            Tensor expected = file.tensor("grad.logits").reshape(-1, 17);
            assertTrue(expected.indexSelect(0, index)
                            .sub(gradient.derivative())
                            .abs()
                            .max()
                            .item()
                    < 1e-7);
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "0.2, 0", "0, 0.01", "0.1, 0.02"})
    void theDerivativeIsWhatAMovedScoreChanges(double smoothing, double zLoss) {
        Torch.seed(1);
        TokenLoss loss = new TokenLoss(new LossOptions(smoothing, zLoss), new VocabularySoftmax(null));
        try (TensorScope scope = TensorScope.open()) {
            Tensor logits = Tensors.randn(DType.FLOAT64, Device.CPU, 3, 5);
            Tensor target = Tensors.of(new int[] {1, 4, 0}, 3, 1);
            double[] derivative =
                    loss.gradient(logits, target, 0.5).derivative().toDoubleArray();
            double[] values = logits.toDoubleArray();
            double step = 1e-5;
            for (int i = 0; i < values.length; i++) {
                double difference =
                        loss.sum(moved(values, i, step), target) - loss.sum(moved(values, i, -step), target);
                assertEquals(0.5 * difference / (2 * step), derivative[i], 1e-8);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"BFLOAT16, 0, 0", "FLOAT16, 0.1, 0.02", "BFLOAT16, 0.1, 0.02"})
    void scoresOfFewDigitsGiveTheLossOfTheSameNumbersInFloat64(DType dtype, double smoothing, double zLoss) {
        Torch.seed(4);
        TokenLoss loss = new TokenLoss(new LossOptions(smoothing, zLoss), new VocabularySoftmax(null));
        try (TensorScope scope = TensorScope.open()) {
            Tensor scores =
                    Tensors.randn(DType.FLOAT32, Device.CPU, 6, 300).mul(4).to(dtype);
            Tensor target = Tensors.of(new int[] {1, 40, 0, 299, 7, 8}, 6, 1);
            TokenLoss.Gradient exact = loss.gradient(scores.to(DType.FLOAT64), target, 0.5);
            TokenLoss.Gradient rounded = loss.gradient(scores, target, 0.5);
            assertEquals(exact.loss(), rounded.loss(), 1e-6 * exact.loss());
            assertEquals(exact.loss(), loss.sum(scores, target), 1e-6 * exact.loss());
            assertEquals(dtype, rounded.derivative().dtype());
            // What a float32 derivative loses when it is rounded, and no more.
            assertArrayEquals(
                    exact.derivative().to(DType.FLOAT32).to(dtype).toFloatArray(),
                    rounded.derivative().toFloatArray(),
                    1e-6f);
        }
    }

    private static Tensor moved(double[] values, int index, double step) {
        double[] copy = values.clone();
        copy[index] += step;
        return Tensors.of(copy, 3, 5);
    }

    private static int[] ints(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }
}
