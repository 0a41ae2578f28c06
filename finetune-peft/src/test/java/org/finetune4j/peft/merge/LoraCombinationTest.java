package org.finetune4j.peft.merge;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.peft.merge.LoraCombination.Factors;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Combined LoRA factors against PEFT's. */
class LoraCombinationTest {

    private static final double[] WEIGHTS = {0.7, 0.4, 1.1};
    private static final double[] SCALINGS = {2, 3, 2};

    @ParameterizedTest
    @CsvSource({"linear,2", "cat,3", "svd,3", "ties,2", "magnitude_prune,2", "ties_svd,3"})
    void combinesAsPeftDoes(String name, int adapters) {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile golden = SafetensorsFile.open(MergeParityTest.golden("lora.safetensors"))) {
            CombinationType type = CombinationType.parse(name);
            Factors combined = combination(type).combine(factors(golden, adapters), Arrays.copyOf(WEIGHTS, adapters));
            Tensor delta = golden.tensor(name + ".delta");
            // Singular values 3 and 4 are 5% apart, so that the cut itself amplifies rounding: in float64 it lies
            // 3.4e-5
            // from PEFT's float32 one, at values up to 14.
            near(
                    delta,
                    combined.delta(),
                    type.compresses() ? 1e-5 * delta.abs().max().item() : 1e-5);
            if (!type.compresses()) {
                near(golden.tensor(name + ".A"), combined.a(), 1e-5);
                near(golden.tensor(name + ".B"), combined.b(), 1e-5);
            }
        }
    }

    @Test
    void factorsOfDifferentRanksAreNotAddedUp() {
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile golden = SafetensorsFile.open(MergeParityTest.golden("lora.safetensors"))) {
            LoraCombination linear = combination(CombinationType.LINEAR);
            assertThrows(UserErrorException.class, () -> linear.combine(factors(golden, 3), WEIGHTS));
        }
    }

    private static LoraCombination combination(CombinationType type) {
        return new LoraCombination(type, 0.5, MajoritySign.TOTAL, 0, 3);
    }

    private static List<Factors> factors(SafetensorsFile golden, int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> new Factors(golden.tensor("a" + i + ".A"), golden.tensor("a" + i + ".B"), SCALINGS[i]))
                .toList();
    }

    private static void near(Tensor expected, Tensor actual, double limit) {
        double difference = actual.sub(expected).abs().max().item();
        assertTrue(difference <= limit, () -> "differs by " + difference);
    }
}
