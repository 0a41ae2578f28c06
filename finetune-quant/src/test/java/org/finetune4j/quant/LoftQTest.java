package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraAdapter;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.LinearAlgebra;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** LoftQ starts nearer to the weights than the quantised base is. */
class LoftQTest {

    private static final Path MODELS = Path.of("../finetune-core/src/test/resources/goldens/arch");
    private static final int RANK = 8;
    private static final ModelInputs INPUTS = ModelInputs.of(new int[] {5, 9, 17, 33, 65, 129, 7, 11});

    @ParameterizedTest
    @ValueSource(strings = {"llama", "gpt2"})
    void everyIterationComesNearerToTheWeights(String name) {
        Map<String, Double> quantised = errors(name, 0);
        Map<String, Double> once = errors(name, 1);
        Map<String, Double> often = errors(name, 5);
        double sumOnce = 0;
        double sumOften = 0;
        for (String weight : quantised.keySet()) {
            assertTrue(error(once, weight) < 0.95 * error(quantised, weight), weight);
            assertTrue(error(often, weight) < error(quantised, weight), weight);
            sumOnce += error(once, weight);
            sumOften += error(often, weight);
        }
        assertTrue(sumOften < sumOnce, sumOften + " after five iterations, " + sumOnce + " after one");
    }

    /** With one iteration the base stays, and what is left is what the best product of the rank cannot hold. */
    @Test
    void oneIterationLeavesTheSmallSingularValues() {
        try (TensorScope scope = TensorScope.open();
                CausalLM plain = CausalLM.load(MODELS.resolve("llama"));
                CausalLM model = quantised("llama")) {
            Map<String, Double> left = errors("llama", 1);
            Map<String, Parameter> exact = plain.network().namedParameters();
            model.network().namedParameters().forEach((name, parameter) -> {
                if (parameter.compressed() != null) {
                    Tensor missing = parameter(exact, name).as(DType.FLOAT32).sub(parameter.as(DType.FLOAT32));
                    Tensor values = LinearAlgebra.svd(missing).s();
                    double expected =
                            values.narrow(0, RANK, values.numel() - RANK).norm().item();
                    assertEquals(expected, error(left, name), 1e-4 * expected, name);
                }
            });
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void theExportedAdapterFitsTheBaseBesideIt(int iterations, @TempDir Path directory) {
        float[] expected;
        try (TensorScope scope = TensorScope.open();
                CausalLM model = quantised("llama");
                LoraAdapter adapter = loftq(iterations).attach(model)) {
            expected = model.logits(INPUTS).toFloatArray();
            adapter.export(directory);
            adapter.disable();
            float[] without = model.logits(INPUTS).toFloatArray();
            try (CausalLM untouched = quantised("llama")) {
                assertArrayEquals(untouched.logits(INPUTS).toFloatArray(), without, "the base is as it was");
            }
        }
        try (TensorScope scope = TensorScope.open();
                CausalLM base = CausalLM.load(directory.resolve("quantized_base"));
                Adapter adapter = AdapterFormat.load(base, directory, false)) {
            assertArrayEquals(expected, base.logits(INPUTS).toFloatArray(), 1e-6f);
        }
    }

    @Test
    void aBaseWhoseWeightsAreNotKnownIsRefused(@TempDir Path directory) {
        try (CausalLM plain = CausalLM.load(MODELS.resolve("llama"))) {
            assertRefused("load_in_4bit", plain, loftq(1));
        }
        try (CausalLM model = quantised("llama")) {
            assertRefused("'loftq_bits' is 8", model, lora().loftq(8, 1).build());
            model.save(directory);
        }
        try (CausalLM stored = CausalLM.load(directory)) {
            assertRefused("its exact weight is not known", stored, loftq(1));
        }
    }

    @Test
    void aConfigurationAsksForItAsPeftDoes() {
        Settings settings = new Settings(
                "test", Map.of("init_lora_weights", "loftq", "loftq_config", Map.of("loftq_bits", 4, "loftq_iter", 2)));
        Lora lora = (Lora) FineTuningMethod.named("lora").create(settings);
        assertEquals(2, lora.config().loftq().iterations());
        Settings wrong =
                new Settings("test", Map.of("init_lora_weights", "loftq", "loftq_config", Map.of("loftq_iters", 2)));
        UserErrorException refused = assertThrows(
                UserErrorException.class, () -> FineTuningMethod.named("lora").create(wrong));
        assertTrue(Objects.requireNonNull(refused.getMessage()).contains("loftq_iters"), refused.getMessage());
    }

    private static void assertRefused(String part, CausalLM model, Lora lora) {
        UserErrorException refused = assertThrows(UserErrorException.class, () -> lora.attach(model));
        assertTrue(Objects.requireNonNull(refused.getMessage()).contains(part), refused.getMessage());
    }

    private static Lora.Builder lora() {
        return Lora.builder().rank(RANK).alpha(2 * RANK).targetModules("all-linear");
    }

    private static Lora loftq(int iterations) {
        return lora().loftq(4, iterations).build();
    }

    private static CausalLM quantised(String name) {
        return CausalLM.load(
                MODELS.resolve(name),
                LoadOptions.defaults().withCompression(Quantization.qlora().compression()));
    }

    /** How far every quantised weight with its adapter is from the exact one; no iterations for no adapter. */
    private static Map<String, Double> errors(String name, int iterations) {
        Map<String, Double> errors = new LinkedHashMap<>();
        try (TensorScope scope = TensorScope.open();
                CausalLM plain = CausalLM.load(MODELS.resolve(name));
                CausalLM model = quantised(name);
                LoraAdapter adapter = (iterations == 0 ? lora().build() : loftq(iterations)).attach(model)) {
            adapter.merge();
            Map<String, Parameter> exact = plain.network().namedParameters();
            model.network().namedParameters().forEach((weight, parameter) -> {
                if (parameter.compressed() != null) {
                    Tensor difference =
                            parameter(exact, weight).as(DType.FLOAT32).sub(parameter.as(DType.FLOAT32));
                    errors.put(weight, difference.norm().item());
                }
            });
        }
        return errors;
    }

    private static double error(Map<String, Double> errors, String weight) {
        return Objects.requireNonNull(errors.get(weight), weight);
    }

    private static Parameter parameter(Map<String, Parameter> parameters, String name) {
        return Objects.requireNonNull(parameters.get(name), name);
    }
}
