package org.finetune4j.quant.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.offload.PagedMemory;
import org.finetune4j.train.offload.StateMemory;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Three steps of bitsandbytes' own optimizers, and states that do not fit their allowance. */
class BlockwiseAdamWTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/quant");

    @ParameterizedTest
    @ValueSource(strings = {"adam8bit", "adamw8bit", "adamw32bit"})
    void everyStepIsThatOfBitsandbytes(String name) {
        double decay = name.startsWith("adamw") ? 0.1 : 0;
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile golden = SafetensorsFile.open(GOLDENS.resolve(name + ".safetensors"))) {
            List<Parameter> parameters = List.of(
                    parameter("p0", golden.tensor("p0.step0").copy()),
                    parameter("p1", golden.tensor("p1.step0").copy()));
            try (BlockwiseAdamW optimizer = new BlockwiseAdamW(
                    ParameterGroup.all(parameters, decay),
                    0.9,
                    0.999,
                    1e-8,
                    name.endsWith("8bit"),
                    StateMemory.resident())) {
                for (int step = 1; step <= 3; step++) {
                    setGradients(parameters, golden, step);
                    optimizer.step(1e-2);
                    optimizer.clearGradients();
                    for (Parameter parameter : parameters) {
                        String key = parameter.name() + ".step" + step;
                        assertArrayEquals(
                                golden.tensor(key).toFloatArray(),
                                parameter.value().toFloatArray(),
                                1e-6f,
                                key);
                    }
                    assertStates(golden, "p0.step" + step, optimizer.state());
                }
            }
        }
    }

    private static void assertStates(SafetensorsFile golden, String key, Map<String, Tensor> states) {
        if (golden.info(key + ".state1").dtype() == DType.UINT8) {
            for (String state : List.of("state1", "state2")) {
                byte[] wanted = golden.tensor(key + "." + state).toByteArray();
                byte[] found = tensor(states, "p0." + state).toByteArray();
                int different = 0;
                for (int i = 0; i < wanted.length; i++) {
                    different += Math.abs((wanted[i] & 0xff) - (found[i] & 0xff));
                }
                assertTrue(
                        different <= 2,
                        key + "." + state + ": " + different + " codes differ, "
                                + Arrays.toString(Arrays.copyOf(wanted, 8)) + " "
                                + Arrays.toString(Arrays.copyOf(found, 8)));
            }
            assertArrayEquals(
                    golden.tensor(key + ".absmax1").toFloatArray(),
                    tensor(states, "p0.absmax1").toFloatArray(),
                    1e-6f);
        } else {
            assertArrayEquals(
                    golden.tensor(key + ".state1").toFloatArray(),
                    tensor(states, "p0.exp_avg").toFloatArray(),
                    1e-6f);
        }
    }

    private static Tensor tensor(Map<String, Tensor> states, String name) {
        Tensor tensor = states.get(name);
        assertTrue(tensor != null, name);
        return Objects.requireNonNull(tensor);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void statesThatDoNotFitGiveTheSameWeights(boolean eightBit, @TempDir Path directory) throws Exception {
        try (TensorScope scope = TensorScope.open()) {
            float[] resident = train(eightBit, StateMemory.resident());
            PagedMemory paged = new PagedMemory(directory, 600_000);
            assertArrayEquals(resident, train(eightBit, paged));
            assertTrue(paged.pagedOut() > 0);
        }
        try (var files = Files.list(directory)) {
            assertEquals(0, files.count(), "the files are gone");
        }
    }

    @Test
    void aRestoredStateGoesOnExactly(@TempDir Path directory) {
        try (TensorScope scope = TensorScope.open()) {
            Parameter parameter = parameter("p", Tensors.full(1, DType.FLOAT32, Device.CPU, 8192));
            Map<String, Tensor> saved = new LinkedHashMap<>();
            float[] after;
            Tensor before;
            try (BlockwiseAdamW optimizer = optimizer(List.of(parameter), true, StateMemory.resident())) {
                run(optimizer, parameter, 1);
                optimizer.state().forEach((name, tensor) -> saved.put(name, tensor.copy()));
                before = parameter.value().detach().copy();
                run(optimizer, parameter, 2);
                after = parameter.value().toFloatArray();
            }
            Parameter again = parameter("p", before);
            try (BlockwiseAdamW optimizer = optimizer(List.of(again), true, new PagedMemory(directory, 1 << 20))) {
                optimizer.restore(saved);
                run(optimizer, again, 2);
            }
            assertArrayEquals(after, again.value().toFloatArray());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"adamw_8bit", "adamw_bnb_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "paged_adamw"})
    void aConfigurationNamesIt(String name, @TempDir Path directory) {
        boolean paged = name.startsWith("paged");
        boolean eightBit = name.endsWith("8bit");
        Map<String, String> arguments =
                paged ? Map.of("directory", directory.toString(), "resident_mb", "0.5") : Map.of();
        OptimizerOptions options = new OptimizerOptions(name, 0.9, 0.999, 1e-8, 0, arguments);
        OptimizerProvider provider = OptimizerProvider.named(name);
        try (TensorScope scope = TensorScope.open()) {
            float[] expected = train(eightBit, StateMemory.resident());
            assertArrayEquals(expected, train(groups -> provider.create(groups, Set.of(), options)));
        }
        assertEquals(eightBit ? 2 * (8192 + 32 * 4) : 8 * 8192, provider.stateBytes(new long[] {8192}, false, options));
        assertEquals(8 * 100, provider.stateBytes(new long[] {100}, false, options), "small ones stay in float32");
        long states = 10L << 20;
        assertEquals(paged ? 1 << 19 : states, provider.residentBytes(states, options));
        assertEquals(paged ? Optional.of(directory) : Optional.empty(), provider.stateDirectory(options));
        OptimizerOptions wrong = options.withArguments(Map.of("resident", "1"));
        UserErrorException refused =
                assertThrows(UserErrorException.class, () -> provider.create(List.of(), Set.of(), wrong));
        assertTrue(Objects.requireNonNull(refused.getMessage()).contains("'resident'"), refused.getMessage());
    }

    @Test
    void aGroupHasItsOwnShareOfTheLearningRate() {
        try (TensorScope scope = TensorScope.open()) {
            float[] expected = train(groups -> new BlockwiseAdamW(
                    List.of(new ParameterGroup(groups.get(0).parameters(), 0, 1)),
                    0.9,
                    0.999,
                    1e-8,
                    true,
                    StateMemory.resident()));
            float[] actual = train(
                    groups -> new BlockwiseAdamW(
                            List.of(new ParameterGroup(groups.get(0).parameters(), 0, 4)),
                            0.9,
                            0.999,
                            1e-8,
                            true,
                            StateMemory.resident()),
                    1e-2 / 4);
            assertArrayEquals(expected, actual, 1e-7f);
        }
    }

    private static float[] train(boolean eightBit, StateMemory memory) {
        return train(groups -> new BlockwiseAdamW(groups, 0.9, 0.999, 1e-8, eightBit, memory));
    }

    private static float[] train(Function<List<ParameterGroup>, Optimizer> maker) {
        return train(maker, 1e-2);
    }

    private static float[] train(Function<List<ParameterGroup>, Optimizer> maker, double learningRate) {
        List<Parameter> parameters = Stream.of("a", "b", "c")
                .map(name -> parameter(name, Tensors.full(0.5, DType.FLOAT32, Device.CPU, 600, 400)))
                .toList();
        try (Optimizer optimizer = maker.apply(ParameterGroup.all(parameters, 0.01))) {
            for (int step = 1; step <= 3; step++) {
                for (Parameter parameter : parameters) {
                    gradient(parameter, pattern(parameter.numel(), step).view(parameter.shape()));
                }
                optimizer.step(learningRate);
                optimizer.clearGradients();
            }
        }
        return parameters.get(2).value().toFloatArray();
    }

    private static BlockwiseAdamW optimizer(List<Parameter> parameters, boolean eightBit, StateMemory memory) {
        return new BlockwiseAdamW(ParameterGroup.all(parameters, 0.01), 0.9, 0.999, 1e-8, eightBit, memory);
    }

    private static void run(BlockwiseAdamW optimizer, Parameter parameter, int step) {
        gradient(parameter, pattern(parameter.numel(), step).view(parameter.shape()));
        optimizer.step(1e-2);
        optimizer.clearGradients();
    }

    private static Tensor pattern(long count, int step) {
        return Tensors.arange(count, Device.CPU)
                .to(DType.FLOAT32)
                .mul(0.37 * step)
                .sin();
    }

    private static Parameter parameter(String name, Tensor value) {
        Parameter parameter = new Parameter(name, value);
        parameter.train(DType.FLOAT32);
        return parameter;
    }

    private static void setGradients(List<Parameter> parameters, SafetensorsFile golden, int step) {
        for (int i = 0; i < parameters.size(); i++) {
            gradient(parameters.get(i), golden.tensor("g" + i + ".step" + step));
        }
    }

    /** The gradient of sum(p * g) is g. */
    private static void gradient(Parameter parameter, Tensor gradient) {
        try (Autograd.Mode mode = Autograd.enabled()) {
            Autograd.backward(parameter.value().mul(gradient).sum());
        }
    }
}
