package org.finetune4j.train.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Five steps of the optimizers with small states, as their authors' code (galore_torch, apollo_torch, adam_mini 1.1.1) makes them. */
class SmallStateOptimizersTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/train/low-rank-optimizers.safetensors");
    private static final int STEPS = 5;

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "tall | galore                | galore_adamw | mlp    | rank=3;update_proj_gap=2;scale=0.25",
                "wide | galore                | galore_adamw | mlp    | rank=3;update_proj_gap=2;scale=0.25",
                "tall | apollo-channel-random | apollo_adamw | mlp    | rank=3;scale=4",
                "wide | apollo-channel-random | apollo_adamw | mlp    | rank=3;scale=4",
                "tall | apollo-tensor-random  | apollo_adamw | mlp    | rank=3;scale=4;scale_type=tensor",
                "wide | apollo-tensor-random  | apollo_adamw | mlp    | rank=3;scale=4;scale_type=tensor",
                "tall | apollo-channel-svd    | apollo_adamw | mlp    | rank=3;scale=4;proj=svd;update_proj_gap=2",
                "wide | apollo-channel-svd    | apollo_adamw | mlp    | rank=3;scale=4;proj=svd;update_proj_gap=2",
                "tall | adam-mini             | adam_mini    | mlp    | head_dim=4",
                "wide | adam-mini             | adam_mini    | mlp    |",
                "tall | adam-mini-heads       | adam_mini    | q_proj | head_dim=4",
            })
    void everyStepIsReproduced(String shape, String golden, String name, String module, String arguments) {
        try (SafetensorsFile file = SafetensorsFile.open(GOLDEN);
                TensorScope scope = TensorScope.open()) {
            Parameter parameter = parameter(module + ".weight", file.tensor(shape + ".p0"));
            // Its authors number the matrices from 1.
            OptimizerProvider provider =
                    name.equals("apollo_adamw") ? new ApolloAdamW.Provider(matrix -> 1) : OptimizerProvider.named(name);
            List<ParameterGroup> groups = List.of(new ParameterGroup(List.of(parameter), 0.1));
            try (Optimizer optimizer = provider.create(groups, Set.of(), options(name, arguments))) {
                for (int step = 0; step < STEPS; step++) {
                    step(optimizer, parameter, file.tensor(shape + ".grad." + step));
                    Tensor expected = file.tensor(shape + "." + golden + ".step" + (step + 1));
                    double difference =
                            parameter.value().detach().sub(expected).abs().max().item();
                    assertTrue(difference < 1e-6, golden + " step " + (step + 1) + " differs by " + difference);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"galore_adamw", "apollo_adamw", "adam_mini"})
    void aRestoredStateGoesOnAsIfNothingHadBeen(String name) {
        String arguments = name.equals("adam_mini") ? null : "rank=3;update_proj_gap=2";
        try (SafetensorsFile file = SafetensorsFile.open(GOLDEN);
                TensorScope scope = TensorScope.open()) {
            Parameter whole = parameter("mlp.weight", file.tensor("tall.p0"));
            Parameter resumed = parameter("mlp.weight", file.tensor("tall.p0"));
            try (Optimizer straight = optimizer(name, arguments, whole);
                    Optimizer first = optimizer(name, arguments, resumed);
                    Optimizer second = optimizer(name, arguments, resumed)) {
                for (int step = 0; step < STEPS; step++) {
                    if (step == 3) {
                        second.restore(first.state());
                    }
                    step(straight, whole, file.tensor("tall.grad." + step));
                    step(step < 3 ? first : second, resumed, file.tensor("tall.grad." + step));
                }
            }
            assertArrayEquals(
                    whole.value().detach().toFloatArray(),
                    resumed.value().detach().toFloatArray());
        }
    }

    /** A rank of a group may have few of the matrices, and a resumed run meets them in another order. */
    @Test
    void aMatrixsSpaceDoesNotDependOnWhichOthersThereAre() {
        try (SafetensorsFile file = SafetensorsFile.open(GOLDEN);
                TensorScope scope = TensorScope.open()) {
            Tensor gradient = file.tensor("tall.grad.0");
            Parameter alone = parameter("b.weight", file.tensor("tall.p0"));
            Parameter before = parameter("a.weight", file.tensor("tall.p0"));
            Parameter beside = parameter("b.weight", file.tensor("tall.p0"));
            List<ParameterGroup> both = List.of(new ParameterGroup(List.of(before, beside), 0.1));
            try (Optimizer one = optimizer("apollo_adamw", "rank=3", alone);
                    Optimizer two = OptimizerProvider.named("apollo_adamw")
                            .create(both, Set.of(), options("apollo_adamw", "rank=3"))) {
                step(one, alone, gradient);
                before.value().addGrad(gradient.copy());
                step(two, beside, gradient);
            }
            float[] expected = alone.value().detach().toFloatArray();
            assertArrayEquals(expected, beside.value().detach().toFloatArray());
            assertFalse(Arrays.equals(expected, before.value().detach().toFloatArray()), "each has a space of its own");
        }
    }

    @Test
    void onlyNamedModulesAreProjectedAndTablesNeverUnasked() {
        try (TensorScope scope = TensorScope.open()) {
            Parameter named = parameter("layers.0.q_proj.weight", Tensors.ones(DType.FLOAT32, Device.CPU, 4, 4));
            Parameter other = parameter("layers.0.v_proj.weight", Tensors.ones(DType.FLOAT32, Device.CPU, 4, 4));
            Parameter table = parameter("embed_tokens.weight", Tensors.ones(DType.FLOAT32, Device.CPU, 4, 4));
            List<ParameterGroup> groups = ParameterGroup.all(List.of(named, other, table), 0);
            OptimizerOptions options = options("galore_adamw", "optim_target_modules=q_proj");
            assertTrue(LowRankAdamW.matrices(groups, Set.of(table), options).equals(Set.of(named)));
            OptimizerOptions all = options("galore_adamw", "optim_target_modules=all-linear");
            assertTrue(LowRankAdamW.matrices(groups, Set.of(table), all).equals(Set.of(named, other)));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "galore_adamw | rank=0                      | 'rank'",
                "galore_adamw | proj_type=full              | std",
                "galore_adamw | optim_target_modules=k_proj | 'k_proj'",
                "apollo_adamw | scale_type=chanel           | channel",
                "adam_mini    | head_dim=1.5                | 'head_dim'",
                "adam_mini    | headdim=2                   | head_dim",
            })
    void whatCannotBeUsedIsToldByItsName(String name, String arguments, String expected) {
        try (TensorScope scope = TensorScope.open()) {
            Parameter parameter = parameter("mlp.weight", Tensors.ones(DType.FLOAT32, Device.CPU, 4, 4));
            UserErrorException e = assertThrows(UserErrorException.class, () -> optimizer(name, arguments, parameter));
            assertTrue(e.getMessage().contains(expected), e.getMessage());
        }
    }

    private static Parameter parameter(String name, Tensor values) {
        Parameter parameter = new Parameter(name, values.copy());
        parameter.train(DType.FLOAT32);
        return parameter;
    }

    private static Optimizer optimizer(String name, String arguments, Parameter parameter) {
        return OptimizerProvider.named(name)
                .create(List.of(new ParameterGroup(List.of(parameter), 0.1)), Set.of(), options(name, arguments));
    }

    private static OptimizerOptions options(String name, String arguments) {
        Map<String, String> values = new LinkedHashMap<>();
        for (String part : arguments == null ? new String[0] : arguments.split(";")) {
            values.put(part.substring(0, part.indexOf('=')), part.substring(part.indexOf('=') + 1));
        }
        return new OptimizerOptions(name, 0.9, 0.999, 1e-8, 0, values);
    }

    private static void step(Optimizer optimizer, Parameter parameter, Tensor gradient) {
        try (Autograd.Mode mode = Autograd.enabled()) {
            Autograd.backward(parameter.value().mul(gradient).sum());
        }
        optimizer.step(0.01);
        optimizer.clearGradients();
    }
}
