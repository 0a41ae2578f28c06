package org.finetune4j.train.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A bfloat16 parameter goes where a float32 one goes, whatever the optimizer. A subclass says in a static method {@code
 * names()} which optimizers of its module are meant.
 */
public abstract class MasterWeightsContract {

    private static final int STEPS = 40;
    private static final long[] SHAPE = {96, 64};

    /** Updates are far below half of the last digit of a bfloat16 near 1, which is 2^-8. */
    private static final double LEARNING_RATE = 1e-5;

    /** The optimizers whose providers are in a package. */
    protected static Stream<String> of(Package home) {
        return OptimizerProvider.all().stream()
                .filter(provider -> provider.getClass().getPackage().equals(home))
                .map(provider -> provider.names().get(0))
                .sorted();
    }

    /** One parameter near 1 with its optimizer, which gets the same gradients whatever the type. */
    private static final class Training implements AutoCloseable {

        private final Parameter parameter;
        private final Tensor direction;
        private final Optimizer optimizer;
        private final List<ParameterGroup> groups;
        private int steps;

        Training(String name, DType dtype, boolean master) {
            try (TensorScope scope = TensorScope.open();
                    RandomGenerator.Use use = RandomGenerator.of(7).use()) {
                // Exact in bfloat16, so that both start in the same place.
                Tensor start = Tensors.randn(DType.FLOAT32, Device.CPU, SHAPE)
                        .mul(0.1)
                        .add(1)
                        .to(DType.BFLOAT16);
                direction =
                        Tensors.randn(DType.FLOAT32, Device.CPU, SHAPE).sign().unscoped();
                parameter = new Parameter("layers.0.weight", start.to(dtype).copy());
            }
            parameter.train(dtype);
            groups = List.of(new ParameterGroup(List.of(parameter), 0.1));
            OptimizerOptions options = new OptimizerOptions(name, 0.9, 0.999, 1e-8, 0.9, Map.of());
            OptimizerProvider provider = OptimizerProvider.named(name);
            optimizer = master
                    ? MasterWeights.optimizer(provider, groups, Set.of(), options)
                    : provider.create(groups, Set.of(), options);
        }

        /** Gradients that are exact in bfloat16, always of the same sign: every step goes the same way. */
        Training run(int count) {
            for (int i = 0; i < count; i++) {
                try (TensorScope scope = TensorScope.open();
                        Autograd.Mode mode = Autograd.enabled()) {
                    double size = 0.5 + 0.25 * (steps++ % 3);
                    Tensor gradient = direction.mul(size).to(parameter.dtype());
                    Autograd.backward(parameter.value().mul(gradient).sum());
                }
                optimizer.step(LEARNING_RATE);
                optimizer.clearGradients();
            }
            return this;
        }

        float[] values(DType dtype) {
            try (TensorScope scope = TensorScope.open()) {
                return parameter.value().detach().to(dtype).to(DType.FLOAT32).toFloatArray();
            }
        }

        @Override
        public void close() {
            optimizer.close();
            parameter.close();
            direction.close();
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void stepsBelowTheLastDigitAddUpAsInFloat32(String name) {
        try (Training half = new Training(name, DType.BFLOAT16, true);
                Training exact = new Training(name, DType.FLOAT32, true);
                Training start = new Training(name, DType.BFLOAT16, true)) {
            float[] first = start.values(DType.FLOAT32);
            float[] wanted = exact.run(STEPS).values(DType.FLOAT32);
            float[] rounded = exact.values(DType.BFLOAT16);
            float[] found = half.run(STEPS).values(DType.FLOAT32);
            assertArrayEquals(rounded, found);
            try (TensorScope scope = TensorScope.open()) {
                Tensor master = half.optimizer.state().entrySet().stream()
                        .filter(entry -> entry.getKey().endsWith("layers.0.weight.master"))
                        .findFirst()
                        .orElseThrow()
                        .getValue();
                assertArrayEquals(wanted, master.toFloatArray());
            }
            int moved = 0;
            for (int i = 0; i < wanted.length; i++) {
                moved += wanted[i] != first[i] ? 1 : 0;
            }
            assertTrue(moved > wanted.length / 2, moved + " of " + wanted.length + " moved");
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void aRestoredStateGoesOnExactly(String name) {
        try (Training whole = new Training(name, DType.BFLOAT16, true);
                Training stopped = new Training(name, DType.BFLOAT16, true);
                Training resumed = new Training(name, DType.BFLOAT16, true);
                TensorScope scope = TensorScope.open()) {
            whole.run(STEPS);
            stopped.run(STEPS / 2);
            Map<String, Tensor> saved = new HashMap<>();
            stopped.optimizer.state().forEach((key, tensor) -> saved.put(key, tensor.copy()));
            resumed.parameter.set(stopped.parameter.value());
            resumed.steps = stopped.steps;
            resumed.optimizer.restore(saved);
            resumed.run(STEPS - STEPS / 2);
            assertArrayEquals(whole.values(DType.FLOAT32), resumed.values(DType.FLOAT32));
            Map<String, Tensor> expected = whole.optimizer.state();
            Map<String, Tensor> found = resumed.optimizer.state();
            assertEquals(expected.keySet(), found.keySet());
            expected.forEach((key, tensor) -> assertArrayEquals(
                    tensor.to(DType.FLOAT64).toDoubleArray(),
                    found.get(key).to(DType.FLOAT64).toDoubleArray(),
                    key));
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void whatTrainsInFloat32HasNoMaster(String name) {
        try (Training plain = new Training(name, DType.FLOAT32, false);
                Training wrapped = new Training(name, DType.FLOAT32, true)) {
            assertEquals(plain.optimizer.getClass(), wrapped.optimizer.getClass());
            assertEquals(
                    plain.run(1).optimizer.state().keySet(),
                    wrapped.run(1).optimizer.state().keySet());
        }
    }
}
