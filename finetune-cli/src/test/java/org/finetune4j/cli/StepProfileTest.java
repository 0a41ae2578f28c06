package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;

class StepProfileTest {

    /** One operation and one byte a second: floors are the work itself. */
    private static final MachineLimits ONE = new MachineLimits(1, 1);

    private static JsonNode kinds(Runnable gradients, Runnable optimizer) {
        return StepProfile.of(gradients, optimizer, ONE).json(ONE).path("kinds");
    }

    @Test
    void aProductsFloorIsItsOperationsAndAnAdditionsItsBytes() {
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.disabled()) {
            Tensor left = Tensors.full(1, DType.FLOAT32, Device.CPU, 3, 5);
            Tensor right = Tensors.full(1, DType.FLOAT32, Device.CPU, 5, 7);
            Tensor other = Tensors.full(1, DType.FLOAT32, Device.CPU, 3, 5);
            JsonNode kinds = kinds(
                    () -> {
                        left.mm(right);
                        left.addInPlace(other);
                    },
                    () -> {});
            assertEquals(
                    2 * 3 * 5 * 7, kinds.path("matrix_products").path("floor_s").asDouble());
            assertEquals(1, kinds.path("matrix_products").path("calls").asInt());
            assertEquals(
                    2 * 3 * 5 * Float.BYTES,
                    kinds.path("elementwise").path("floor_s").asDouble());
        }
    }

    /** Two products forwards and five backwards, of half of all pairs, though the kernel asks for memory and fills it. */
    @Test
    void attentionsFloorIsThatOfItsProductsInBothDirections() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor x = Tensors.full(0.1, DType.FLOAT32, Device.CPU, 1, 2, 8, 4).requiresGrad(true);
            JsonNode kinds = kinds(
                    () -> Autograd.backward(Functional.scaledDotProductAttention(x, x, x, null, true, 0.5)
                            .sum()),
                    () -> {});
            assertEquals(
                    (2 + 5) * 2 * 8 * 8 * 4,
                    kinds.path("attention").path("floor_s").asDouble());
        }
    }

    @Test
    void productsAreShownByWhatIsMultiplied() {
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.disabled()) {
            Tensor left = Tensors.full(1, DType.FLOAT32, Device.CPU, 3, 5);
            Tensor right = Tensors.full(1, DType.FLOAT32, Device.CPU, 5, 7);
            JsonNode products = StepProfile.of(
                            () -> {
                                left.mm(right);
                                left.mm(right);
                            },
                            () -> right.t().mm(left.t()),
                            ONE)
                    .json(ONE)
                    .path("products");
            assertEquals(1, products.size(), products.toString());
            assertEquals(2, products.path("mm [3, 5] x [5, 7]").path("calls").asInt());
        }
    }

    @Test
    void whatTheOptimizerAsksForIsItsOwnWhateverItIs() {
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.disabled()) {
            Tensor x = Tensors.full(1, DType.FLOAT32, Device.CPU, 4, 4);
            JsonNode kinds = kinds(() -> {}, () -> x.mm(x));
            assertEquals(1, kinds.path("optimizer").path("calls").asInt());
            assertEquals(0, kinds.path("matrix_products").path("calls").asInt());
        }
    }

    @Test
    void allKindsTogetherAreTheWholeStep() {
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.disabled()) {
            Tensor x = Tensors.full(0.1, DType.FLOAT32, Device.CPU, 64, 64);
            StepProfile profile = StepProfile.of(
                    () -> {
                        for (int i = 0; i < 50; i++) {
                            x.mm(x).addInPlace(x);
                        }
                    },
                    () -> x.copyInPlace(x),
                    ONE);
            double sum = profile.parts().values().stream()
                    .mapToDouble(StepProfile.Part::seconds)
                    .sum();
            assertEquals(profile.wall(), sum, 1e-6 * sum);
            assertTrue(profile.parts().values().stream().allMatch(part -> part.seconds() >= 0));
        }
    }
}
