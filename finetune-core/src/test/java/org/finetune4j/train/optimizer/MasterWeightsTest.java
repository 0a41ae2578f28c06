package org.finetune4j.train.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.List;
import java.util.stream.Stream;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;

/** The core's optimizers. */
class MasterWeightsTest extends MasterWeightsContract {

    static Stream<String> names() {
        return of(MasterWeights.class.getPackage());
    }

    /** What the masters are for. */
    @Test
    void withoutAMasterStepsBelowTheLastDigitAreLost() {
        try (TensorScope scope = TensorScope.open();
                Parameter parameter = new Parameter("p", Tensors.ones(DType.BFLOAT16, Device.CPU, 3))) {
            parameter.train(DType.BFLOAT16);
            try (AdamW adamW = new AdamW(List.of(new ParameterGroup(List.of(parameter), 0)), 0.9, 0.999, 1e-8)) {
                for (int step = 0; step < 500; step++) {
                    Autograd.backward(parameter.value().sum());
                    adamW.step(1e-5); // 0.005 in all; the last digit is 0.0039 below 1
                    adamW.clearGradients();
                }
            }
            assertArrayEquals(
                    new float[] {1, 1, 1},
                    parameter.value().detach().to(DType.FLOAT32).toFloatArray());
        }
    }
}
