package org.finetune4j.peft.continual;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.CrossEntropy;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Penalties and the Fisher information against finite differences and formulas written by hand. */
class ParameterPenaltyTest {

    private static final Path LLAMA = PeftParityTest.BASES.resolve("llama");
    private static final int RANK = 4;
    private static final int FROZEN = 2;

    private TensorScope scope;
    private CausalLM model;
    private Adapter adapter;

    @BeforeEach
    void attach() {
        Torch.seed(3);
        scope = TensorScope.open();
        model = CausalLM.load(LLAMA);
        adapter = Lora.builder()
                .rank(RANK)
                .alpha(8)
                .targetModules("q_proj", "v_proj")
                .build()
                .attach(model);
        Random random = new Random(5);
        adapter.parametersByKey().values().forEach(parameter -> set(parameter, noise(parameter, random, 0.1)));
    }

    @AfterEach
    void close() {
        adapter.close();
        model.close();
        scope.close();
    }

    private static float[] noise(Parameter parameter, Random random, double size) {
        float[] values = new float[Math.toIntExact(parameter.numel())];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (size * random.nextGaussian());
        }
        return values;
    }

    private static void set(Parameter parameter, float[] values) {
        try (Autograd.Mode mode = Autograd.disabled()) {
            parameter.value().detach().copyInPlace(Tensors.of(values, parameter.shape()));
        }
    }

    private static float[] values(Parameter parameter) {
        return parameter.value().detach().toFloatArray();
    }

    private Anchor random(long seed, double size) {
        Random random = new Random(seed);
        return Anchor.of(adapter, (key, parameter) -> Tensors.of(noise(parameter, random, size), parameter.shape())
                .mul(1.0));
    }

    /** The gradients that a penalty adds, against central differences of its value. */
    private void assertGradients(ParameterPenalty penalty, Map<String, Integer> from) {
        adapter.trainableParameters().forEach(Parameter::clearGrad);
        penalty.add(true);
        Random random = new Random(1);
        Anchor.trained(adapter).forEach((key, parameter) -> {
            float[] start = values(parameter);
            Tensor gradient = parameter.grad();
            for (int i = 0; i < 3; i++) {
                int index = from.getOrDefault(key, 0) + random.nextInt(start.length - from.getOrDefault(key, 0));
                float step = 1e-2f;
                float[] changed = start.clone();
                changed[index] = start[index] + step;
                set(parameter, changed);
                double up = penalty.add(false);
                changed[index] = start[index] - step;
                set(parameter, changed);
                double down = penalty.add(false);
                set(parameter, start);
                double expected = (up - down) / (2 * step);
                double actual = gradient == null ? 0 : gradient.toFloatArray()[index];
                assertEquals(expected, actual, 1e-3 + 1e-2 * Math.abs(expected), key + " " + index);
            }
        });
    }

    @Test
    void theQuadraticPenaltyIsItsFormulaAndItsGradientThatOfFiniteDifferences() {
        try (QuadraticPenalty penalty = new QuadraticPenalty(3, adapter, random(7, 0.1), random(8, 1))) {
            double[] sum = {0};
            Anchor center = random(7, 0.1);
            Anchor weights = random(8, 1);
            Anchor.trained(adapter).forEach((key, parameter) -> {
                float[] theta = values(parameter);
                float[] star = center.get(key).toFloatArray();
                float[] fisher = weights.get(key).toFloatArray();
                for (int i = 0; i < theta.length; i++) {
                    sum[0] += 1.5 * fisher[i] * (theta[i] - star[i]) * (theta[i] - star[i]);
                }
            });
            assertEquals(sum[0], penalty.add(false), 1e-4 * Math.abs(sum[0]) + 1e-5);
            assertGradients(penalty, Map.of());
            center.close();
            weights.close();
        }
    }

    @Test
    void theDistanceToTheStartIsZeroAtTheStart() {
        Anchor here = Anchor.of(adapter, (key, parameter) -> parameter.value().detach());
        try (QuadraticPenalty penalty = new QuadraticPenalty(3, adapter, here, null)) {
            assertEquals(0, penalty.add(false));
            Parameter first = adapter.trainableParameters().iterator().next();
            float[] moved = values(first);
            moved[0] += 2;
            set(first, moved);
            assertEquals(6, penalty.add(false), 1e-5);
        }
    }

    private double logLikelihood(Batch batch) {
        return -new Backpropagation(model, GradientCheckpointing.none())
                .evaluate(
                        batch.modelInputs(),
                        new CrossEntropy(LossOptions.crossEntropy()).head(model.network(), batch, 1));
    }

    @Test
    void theFisherInformationIsTheMeanSquareOfTheGradientsOfSingleSamples() {
        SyntheticSamples samples = new SyntheticSamples(3, 199, 2);
        try (Anchor fisher = FisherDiagonal.of(model, adapter, samples, 99, 1)) {
            Random random = new Random(1);
            Anchor.trained(adapter).forEach((key, parameter) -> {
                float[] start = values(parameter);
                for (int i = 0; i < 2; i++) {
                    int index = random.nextInt(start.length);
                    double expected = 0;
                    for (int n = 0; n < samples.size(); n++) {
                        Batch batch = new Collator(0, 1).collate(List.of(samples.get(n)));
                        float[] changed = start.clone();
                        changed[index] = start[index] + 2e-2f;
                        set(parameter, changed);
                        double up = logLikelihood(batch);
                        changed[index] = start[index] - 2e-2f;
                        set(parameter, changed);
                        double slope = (up - logLikelihood(batch)) / 4e-2;
                        expected += slope * slope / samples.size();
                    }
                    set(parameter, start);
                    double actual = fisher.get(key).toFloatArray()[index];
                    assertEquals(expected, actual, 1e-3 + 0.05 * expected, key + " " + index);
                }
            });
        }
        assertTrue(
                adapter.trainableParameters().stream().allMatch(one -> one.grad() == null), "nothing is left behind");
    }

    private static long[] shapeOf(String key, Parameter parameter) {
        long[] shape = parameter.shape();
        shape[key.endsWith("lora_A.weight") ? 0 : 1] = FROZEN;
        return shape;
    }

    private Anchor earlier() {
        Random random = new Random(9);
        return Anchor.of(adapter, (key, parameter) -> {
            long[] shape = shapeOf(key, parameter);
            float[] values = new float[Math.toIntExact(shape[0] * shape[1])];
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) random.nextGaussian();
            }
            return Tensors.of(values, shape).mul(1.0);
        });
    }

    @Test
    void orthogonalityIsTheSquareOfTheProductsOfOldAndNewRows() {
        try (Anchor again = earlier();
                OrthogonalSubspaces penalty = OrthogonalSubspaces.on(adapter, earlier(), FROZEN, 0.5)) {
            double sum = 0;
            for (Map.Entry<String, Parameter> entry : Anchor.trained(adapter).entrySet()) {
                if (!entry.getKey().endsWith("lora_A.weight")) {
                    continue;
                }
                float[] old = again.get(entry.getKey()).toFloatArray();
                float[] now = values(entry.getValue());
                int width = Math.toIntExact(entry.getValue().size(1));
                for (int i = 0; i < FROZEN; i++) {
                    for (int j = FROZEN; j < RANK; j++) {
                        double product = 0;
                        for (int k = 0; k < width; k++) {
                            product += (double) old[i * width + k] * now[j * width + k];
                        }
                        sum += 0.5 * product * product;
                    }
                }
            }
            assertEquals(sum, penalty.add(false), 1e-4 * sum);
            Map<String, Integer> learning = new LinkedHashMap<>();
            Anchor.trained(adapter).forEach((key, parameter) -> {
                if (key.endsWith("lora_A.weight")) {
                    learning.put(key, Math.toIntExact(FROZEN * parameter.size(1)));
                }
            });
            assertGradients(penalty, learning);
        }
    }

    @Test
    void earlierTasksRowsGetNoGradientAndComeBackToTheBit() {
        try (OrthogonalSubspaces penalty = OrthogonalSubspaces.on(adapter, earlier(), FROZEN, 0.5)) {
            Map<String, float[]> before = new LinkedHashMap<>();
            Anchor.trained(adapter).forEach((key, parameter) -> {
                before.put(key, values(parameter));
                parameter.clearGrad();
                parameter.addGradient(Tensors.full(1, parameter.dtype(), parameter.device(), parameter.shape()));
            });
            penalty.add(true);
            Anchor.trained(adapter).forEach((key, parameter) -> {
                int dimension = key.endsWith("lora_A.weight") ? 0 : 1;
                Tensor gradient = parameter.grad();
                assertEquals(0, gradient.narrow(dimension, 0, FROZEN).norm().item(), key);
                assertTrue(
                        gradient.narrow(dimension, FROZEN, RANK - FROZEN).norm().item() > 0, key);
                set(parameter, noise(parameter, new Random(3), 1));
            });
            penalty.afterUpdate();
            Anchor.trained(adapter).forEach((key, parameter) -> {
                int dimension = key.endsWith("lora_A.weight") ? 0 : 1;
                Tensor restored =
                        parameter.value().detach().narrow(dimension, 0, FROZEN).contiguous();
                Tensor first = Tensors.of(before.get(key), parameter.shape())
                        .narrow(dimension, 0, FROZEN)
                        .contiguous();
                assertArrayEquals(first.toFloatArray(), restored.toFloatArray(), key);
            });
        }
    }

    @Test
    void otherThingsThanMatricesCannotBeDividedAmongTasks() {
        adapter.close();
        adapter = Lora.builder()
                .rank(2)
                .targetModules("q_proj")
                .modulesToSave(List.of("lm_head"))
                .build()
                .attach(model);
        UserErrorException refused = assertThrows(
                UserErrorException.class, () -> OrthogonalSubspaces.requireMatrices(Anchor.trained(adapter)));
        assertTrue(refused.getMessage().contains("lm_head"), refused.getMessage());
    }
}
