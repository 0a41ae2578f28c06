package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.List;
import org.finetune4j.nn.KeyValueCache.KeyValues;
import org.finetune4j.nn.Prompt;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;

/** A window reaches back to a prefix of virtual keys, in models that see tokens after a token as in those that do not. */
class PromptLayoutTest {

    private static final int[] POSITIONS = {0, 1, 2};

    @Test
    void aWindowThatHoldsAllTokensStillEndsWithinThePrefix() {
        try (TensorScope scope = TensorScope.open()) {
            Tensor both = PromptLayout.starting(null, POSITIONS, 3, prefix(), 3, false);
            assertNotNull(both);
            assertArrayEquals(
                    new float[] {1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1},
                    both.to(DType.FLOAT32).toFloatArray());
            Tensor causal = PromptLayout.starting(null, POSITIONS, 3, prefix(), 3, true);
            assertNotNull(causal);
            assertArrayEquals(
                    new float[] {1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1},
                    causal.to(DType.FLOAT32).toFloatArray());
        }
    }

    @Test
    void whoSeesEverythingNeedsNoMask() {
        try (TensorScope scope = TensorScope.open()) {
            assertNull(PromptLayout.starting(null, POSITIONS, 3, prefix(), 5, false));
        }
    }

    /** Two virtual keys in one layer. */
    private static Prompt prefix() {
        Tensor keys = Tensors.zeros(DType.FLOAT32, Device.CPU, 2, 1, 4);
        return new Prompt.Prefix(List.of(new KeyValues(keys, keys)));
    }
}
