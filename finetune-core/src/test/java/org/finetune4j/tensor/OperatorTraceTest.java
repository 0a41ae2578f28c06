package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class OperatorTraceTest {

    private static List<OperatorTrace.Call> productsOf(List<OperatorTrace.Call> calls) {
        return calls.stream().filter(call -> call.name().equals("mm")).toList();
    }

    @Test
    void everyProductOfAPassAndOfItsBackwardPassIsThereWithItsShapes() {
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.enabled()) {
            Tensor weight = Tensors.full(0.5, DType.FLOAT32, Device.CPU, 3, 4).requiresGrad(true);
            Tensor x = Tensors.full(1, DType.FLOAT32, Device.CPU, 2, 3);
            List<OperatorTrace.Call> calls =
                    OperatorTrace.of(() -> Autograd.backward(x.mm(weight).sum()));

            List<OperatorTrace.Call> products = productsOf(calls);
            assertEquals(2, products.size(), "forwards, and the weight's gradient");
            assertTrue(products.stream().anyMatch(call -> call.shapes().get(0)[0] == 2));
            OperatorTrace.Call forward = products.stream()
                    .filter(call -> call.shapes().get(0)[0] == 2)
                    .findFirst()
                    .orElseThrow();
            assertArrayEquals(new long[] {2, 3}, forward.shapes().get(0));
            assertArrayEquals(new long[] {3, 4}, forward.shapes().get(1));
        }
    }

    @Test
    void aCallStandsBeforeThoseItMade() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor x = Tensors.full(1, DType.FLOAT32, Device.CPU, 2, 3);
            List<OperatorTrace.Call> calls = OperatorTrace.of(() -> x.mm(x.t()));
            int product = calls.indexOf(productsOf(calls).get(0));
            assertTrue(
                    calls.subList(product + 1, calls.size()).stream()
                            .anyMatch(inner -> calls.get(product).contains(inner)),
                    "a product resolves its operands first");
        }
    }

    @Test
    void workThatFailsEndsTheTraceAndTheNextOneIsWhole() {
        assertThrows(
                IllegalStateException.class,
                () -> OperatorTrace.of(() -> {
                    throw new IllegalStateException("stopped");
                }));
        try (TensorScope scope = TensorScope.open()) {
            Tensor x = Tensors.full(1, DType.FLOAT32, Device.CPU, 2, 2);
            assertEquals(1, productsOf(OperatorTrace.of(() -> x.mm(x))).size());
        }
    }
}
