package org.finetune4j.quant.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.nn.Parameter;
import org.finetune4j.quant.optimizer.BlockwiseAdamW;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.offload.StateMemory;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** States in CUDA's managed memory, behind a driver that the host plays. */
@Tag("slow")
class ManagedStateMemoryTest {

    private static CudaDriver driver() {
        CudaDriver driver = HostCuda.driver();
        HostCuda.journal();
        return driver;
    }

    @Test
    void statesMoveToTheGpuBeforeTheyAreUsedAndGiveWayAfterwards() {
        CudaContext context = new CudaContext(driver(), 0);
        try (TensorScope scope = TensorScope.open()) {
            ManagedStateMemory memory = new ManagedStateMemory(context, Device.CPU, 2000);
            Tensor a = memory.zeros(DType.FLOAT32, 300);
            Tensor b = memory.zeros(DType.UINT8, 10, 50);
            Tensor c = memory.zeros(DType.FLOAT32, 250);
            assertArrayEquals(new float[300], a.toFloatArray());
            assertEquals(List.of("allocate 1200", "allocate 500", "allocate 1000"), HostCuda.journal());
            memory.touch(List.of(a));
            memory.touch(List.of(b));
            assertEquals(List.of("prefetch 1200 to 0", "prefetch 500 to 0"), HostCuda.journal());
            memory.touch(List.of(c));
            List<String> moves = HostCuda.journal();
            assertTrue(moves.contains("prefetch 1000 to 0"), moves.toString());
            assertTrue(moves.contains("prefetch 1200 to -1"), moves.toString());
            memory.close();
            assertEquals(List.of("free", "free", "free"), HostCuda.journal());
            assertEquals(0, HostCuda.contexts());
        }
    }

    /** The driver says that a million bytes are free. */
    @Test
    void theAllowanceIsNeverMoreThanWhatIsFree() {
        CudaContext context = new CudaContext(driver(), 0);
        try (TensorScope scope = TensorScope.open();
                StateMemory memory = new ManagedStateMemory(context, Device.CPU, Long.MAX_VALUE)) {
            Tensor a = memory.zeros(DType.UINT8, 600_000);
            Tensor b = memory.zeros(DType.UINT8, 600_000);
            memory.touch(List.of(a));
            memory.touch(List.of(b));
            assertTrue(HostCuda.journal().contains("prefetch 600000 to -1"));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void statesThatDoNotFitGiveTheSameWeights(boolean eightBit) {
        CudaContext context = new CudaContext(driver(), 0);
        float[] expected = train(eightBit, StateMemory.resident());
        ManagedStateMemory memory = new ManagedStateMemory(context, Device.CPU, 20_000);
        assertArrayEquals(expected, train(eightBit, memory));
        assertTrue(memory.movedOut() > 0);
    }

    /** Some steps on four parameters; the optimizer closes the memory. */
    private static float[] train(boolean eightBit, StateMemory memory) {
        try (TensorScope scope = TensorScope.open()) {
            Torch.seed(3);
            List<Parameter> parameters = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                Parameter parameter = new Parameter("p" + i, Tensors.randn(DType.FLOAT32, Device.CPU, 4100));
                parameter.train(DType.FLOAT32);
                parameters.add(parameter);
            }
            try (BlockwiseAdamW optimizer =
                    new BlockwiseAdamW(ParameterGroup.all(parameters, 0.1), 0.9, 0.999, 1e-8, eightBit, memory)) {
                for (int step = 0; step < 4; step++) {
                    for (Parameter parameter : parameters) {
                        setGradient(parameter, Tensors.randn(DType.FLOAT32, Device.CPU, 4100));
                    }
                    optimizer.step(1e-2);
                    optimizer.clearGradients();
                }
                Map<String, Tensor> state = optimizer.state();
                assertEquals(1 + 4 * (eightBit ? 4 : 2), state.size());
            }
            return Tensors.cat(parameters.stream().map(Parameter::value).toList(), 0)
                    .toFloatArray();
        }
    }

    /** The gradient of sum(p * g) is g. */
    private static void setGradient(Parameter parameter, Tensor gradient) {
        try (Autograd.Mode mode = Autograd.enabled()) {
            Autograd.backward(parameter.value().mul(gradient).sum());
        }
    }
}
