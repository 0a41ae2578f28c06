package org.finetune4j.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Set;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;

class ValueHeadTest {

    @Test
    void aTokensValueIsTheProductOfItsStateAndTheWeights() {
        Weights weights = Weights.of(new Weights.Source() {
            @Override
            public boolean contains(String name) {
                return true;
            }

            @Override
            public Tensor tensor(String name, Initialization initialization, long[] shape) {
                return name.endsWith("weight")
                        ? Tensors.of(new float[] {2, -1, 0.5f}, shape)
                        : Tensors.of(new float[] {10}, shape);
            }
        });
        try (TensorScope scope = TensorScope.open();
                ValueHead head = new ValueHead(weights.at("v_head"), 3, 0, Initialization.ZEROS)) {
            Tensor hidden = Tensors.of(new float[] {1, 2, 4, 0, 0, 0}, 1, 2, 3);
            Tensor values = head.forward(hidden.to(DType.BFLOAT16), null);
            assertArrayEquals(new long[] {1, 2}, values.shape());
            assertArrayEquals(new float[] {12, 10}, values.toFloatArray());
            assertEquals(
                    Set.of("summary.weight", "summary.bias"),
                    head.namedParameters().keySet());
        }
    }
}
