package org.finetune4j.train.optimizer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Four steps of every optimizer, as PyTorch and transformers made them. */
class OptimizerGoldenTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/train/optimizers.safetensors");

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "adamw             | adamw     | 0.1 |",
                "adam              | adam      | 0.1 |",
                "sgd               | sgd       | 0.1 |",
                "sgd_momentum      | sgd       | 0   | momentum=0.9",
                "sgd_nesterov      | sgd       | 0   | momentum=0.9;nesterov=True",
                "rmsprop           | rmsprop   | 0   |",
                "adagrad           | adagrad   | 0   |",
                "adafactor_default | adafactor | 0   | scale_parameter=True;relative_step=True",
                "adafactor_fixed_lr| adafactor | 0   |"
            })
    void everyStepIsReproduced(String golden, String name, double weightDecay, String arguments) {
        OptimizerOptions options = options(name, arguments == null ? "" : arguments);
        try (SafetensorsFile file = SafetensorsFile.open(GOLDEN);
                TensorScope scope = TensorScope.open()) {
            Parameter parameter = new Parameter("p", file.tensor("p0").copy());
            parameter.train(DType.FLOAT32);
            ParameterGroup group = new ParameterGroup(List.of(parameter), weightDecay);
            try (Optimizer optimizer = OptimizerProvider.named(name).create(List.of(group), Set.of(), options)) {
                for (int step = 0; step < 4; step++) {
                    setGradient(parameter, file.tensor("grad." + step));
                    optimizer.step(0.01);
                    optimizer.clearGradients();
                    Tensor expected = file.tensor(golden + ".step" + (step + 1));
                    double difference =
                            parameter.value().detach().sub(expected).abs().max().item();
                    assertTrue(difference < 2e-7, golden + " step " + (step + 1) + " differs by " + difference);
                }
            }
        }
    }

    @Test
    void lionMovesEveryWeightByTheLearningRate() {
        try (TensorScope scope = TensorScope.open()) {
            Parameter parameter = new Parameter("p", Tensors.of(new float[] {1, 2, 3}, 3));
            parameter.train(DType.FLOAT32);
            try (Lion lion = new Lion(List.of(new ParameterGroup(List.of(parameter), 0.5)), 0.9, 0.99)) {
                setGradient(parameter, Tensors.of(new float[] {0.5f, -2, 0}, 3));
                lion.step(0.1);
                // p (1 - 0.1 * 0.5) - 0.1 sign(g)
                float[] values = parameter.value().detach().toFloatArray();
                assertEquals(0.85, values[0], 1e-6);
                assertEquals(2.0, values[1], 1e-6);
                assertEquals(2.85, values[2], 1e-6);
                // m = 0.01 g; the sign of 0.9 m + 0.1 g decides.
                setGradient(parameter, Tensors.of(new float[] {-0.04f, 0.17f, 0}, 3));
                lion.step(0.1);
                values = parameter.value().detach().toFloatArray();
                assertEquals(0.85 * 0.95 - 0.1, values[0], 1e-6, "0.9 * 0.005 + 0.1 * -0.04 is positive");
                assertEquals(2.0 * 0.95 + 0.1, values[1], 1e-6, "0.9 * -0.02 + 0.1 * 0.17 is negative");
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"6, 5", "5, 12", "16, 16"})
    void muonsUpdateIsNearlyOrthogonal(int rows, int columns) {
        Torch.seed(3);
        try (TensorScope scope = TensorScope.open()) {
            Tensor u = Muon.orthogonal(Tensors.randn(DType.FLOAT32, Device.CPU, rows, columns));
            Tensor gram = rows <= columns ? u.mm(u.t()) : u.t().mm(u);
            int n = Math.min(rows, columns);
            double trace = 0;
            float[] values = gram.toFloatArray();
            for (int i = 0; i < n; i++) {
                trace += values[i * n + i];
            }
            // The iteration brings singular values near 1, not to it: their squares add up to about n.
            assertEquals(n, trace, 0.5 * n);
            double offDiagonal = Math.sqrt(Math.max(0, gram.square().sum().item() - sumOfSquares(values, n)));
            assertTrue(offDiagonal < 0.8 * Math.sqrt(n), "off the diagonal: " + offDiagonal);
        }
    }

    private static double sumOfSquares(float[] gram, int n) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += gram[i * n + i] * gram[i * n + i];
        }
        return sum;
    }

    @Test
    void aGroupsFactorScalesItsLearningRate() {
        try (TensorScope scope = TensorScope.open()) {
            Parameter slow = new Parameter("a", Tensors.of(new float[] {1}, 1));
            Parameter fast = new Parameter("b", Tensors.of(new float[] {1}, 1));
            List<ParameterGroup> groups = ParameterGroup.byLearningRate(
                    ParameterGroup.all(List.of(slow, fast), 0), parameter -> parameter == fast ? 16 : 1);
            assertEquals(2, groups.size());
            for (Parameter parameter : List.of(slow, fast)) {
                parameter.train(DType.FLOAT32);
                setGradient(parameter, Tensors.of(new float[] {1}, 1));
            }
            try (Sgd sgd = new Sgd(groups, 0, false)) {
                sgd.step(0.01);
            }
            assertEquals(0.99, slow.value().detach().item(), 1e-6);
            assertEquals(0.84, fast.value().detach().item(), 1e-6);
        }
    }

    @Test
    void anUnknownNameOrArgumentIsToldWithTheNearestOne() {
        assertTrue(assertThrows(UserErrorException.class, () -> OptimizerProvider.named("adamv"))
                .getMessage()
                .contains("adam"));
        UserErrorException e = assertThrows(UserErrorException.class, () -> OptimizerProvider.named("sgd")
                .create(List.of(), Set.of(), options("sgd", "nestrov=True")));
        assertTrue(e.getMessage().contains("nesterov"), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "adamw",
                "adam",
                "adafactor",
                "lion",
                "sgd",
                "rmsprop",
                "adagrad",
                "muon",
                "galore_adamw",
                "apollo_adamw",
                "adam_mini",
                "schedule_free_adamw"
            })
    void theStateHasAsManyBytesAsPromised(String name) {
        OptimizerOptions options = options(name, "");
        try (TensorScope scope = TensorScope.open()) {
            Parameter parameter = new Parameter("p", Tensors.ones(DType.FLOAT32, Device.CPU, 8, 4));
            parameter.train(DType.FLOAT32);
            setGradient(parameter, Tensors.ones(DType.FLOAT32, Device.CPU, 8, 4));
            OptimizerProvider provider = OptimizerProvider.named(name);
            try (Optimizer optimizer =
                    provider.create(List.of(new ParameterGroup(List.of(parameter), 0)), Set.of(), options)) {
                optimizer.step(1e-3);
                long bytes = optimizer.state().values().stream()
                        .filter(tensor -> tensor.dtype() == DType.FLOAT32)
                        .mapToLong(tensor -> tensor.numel() * Float.BYTES)
                        .sum();
                assertEquals(provider.stateBytes(new long[] {8, 4}, false, options), bytes);
                // A rank may have no row of a matrix.
                assertTrue(provider.stateBytes(new long[] {0, 4}, false, options) < 4 * Float.BYTES * 8);
            }
        }
    }

    private static OptimizerOptions options(String name, String arguments) {
        Map<String, String> values = new java.util.LinkedHashMap<>();
        for (String part : arguments.split(";")) {
            if (!part.isBlank()) {
                values.put(part.substring(0, part.indexOf('=')), part.substring(part.indexOf('=') + 1));
            }
        }
        return new OptimizerOptions(name, 0.9, 0.999, 1e-8, 0, values);
    }

    private static void setGradient(Parameter parameter, Tensor gradient) {
        parameter.clearGrad();
        try (Autograd.Mode mode = Autograd.enabled()) {
            Autograd.backward(parameter.value().mul(gradient).sum());
        }
    }
}
