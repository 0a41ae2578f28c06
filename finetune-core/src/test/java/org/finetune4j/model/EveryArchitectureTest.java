package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;
import org.finetune4j.data.Batch;
import org.finetune4j.generate.TextGeneratorCaches;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;

/** What holds for every architecture, whatever its configuration. */
class EveryArchitectureTest {

    @Provide
    Arbitrary<String> architectures() {
        return Arbitraries.of(SmallModels.ARCHITECTURES);
    }

    @Property(tries = 60)
    void cachedDecodingEqualsTheFullForwardPass(
            @ForAll("architectures") String architecture,
            @ForAll @IntRange(min = 1, max = 8) int prompt,
            @ForAll @IntRange(min = 1, max = 8) int more,
            @ForAll long seed) {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = model(architecture, seed)) {
            int[] ids = tokens(new Random(seed), prompt + more);
            float[] full = model.logits(ModelInputs.of(ids)).toFloatArray();
            float[] cached = TextGeneratorCaches.logitsTokenByToken(model, ids, prompt);
            int from = (prompt - 1) * SmallModels.VOCABULARY;
            assertClose(Arrays.copyOfRange(full, from, full.length), cached);
        }
    }

    @Property(tries = 60)
    void aPaddedRowEqualsTheRowAlone(
            @ForAll("architectures") String architecture,
            @ForAll @IntRange(min = 1, max = 10) int first,
            @ForAll @IntRange(min = 1, max = 10) int second,
            @ForAll boolean left,
            @ForAll long seed) {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = model(architecture, seed)) {
            Random random = new Random(seed);
            int[][] rows = {tokens(random, first), tokens(random, second)};
            int seq = Math.max(first, second);
            int[] ids = new int[2 * seq];
            byte[] mask = new byte[2 * seq];
            for (int row = 0; row < 2; row++) {
                int start = row * seq + (left ? seq - rows[row].length : 0);
                System.arraycopy(rows[row], 0, ids, start, rows[row].length);
                Arrays.fill(mask, start, start + rows[row].length, (byte) 1);
            }
            Tensor batched = model.logits(new ModelInputs(2, seq, ids, mask, null));
            for (int row = 0; row < 2; row++) {
                int start = left ? seq - rows[row].length : 0;
                Tensor own = batched.select(0, row).narrow(0, start, rows[row].length);
                assertClose(model.logits(ModelInputs.of(rows[row])).toFloatArray(), own.toFloatArray());
            }
        }
    }

    @Property(tries = 40)
    void checkpointedGradientsEqualPlainOnes(
            @ForAll("architectures") String architecture,
            @ForAll @IntRange(min = 1, max = 3) int everyLayers,
            @ForAll long seed) {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = model(architecture, seed);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Batch batch = batch(new Random(seed));
            Map<String, float[]> plain = gradients(model, batch, GradientCheckpointing.none());
            Map<String, float[]> checkpointed = gradients(model, batch, GradientCheckpointing.every(everyLayers));
            assertEquals(plain.keySet(), checkpointed.keySet());
            plain.forEach((name, gradient) -> assertClose(gradient, checkpointed.get(name)));
        }
    }

    @Property(tries = 60)
    void packedForGenerationItIsTheSameModel(
            @ForAll("architectures") String architecture,
            @ForAll @IntRange(min = 1, max = 8) int prompt,
            @ForAll @IntRange(min = 1, max = 8) int more,
            @ForAll long seed) {
        try (TensorScope scope = TensorScope.open();
                CausalLM model = model(architecture, seed)) {
            int[] ids = tokens(new Random(seed), prompt + more);
            Batch batch = batch(new Random(seed));
            float[] scores = model.logits(ModelInputs.of(ids)).toFloatArray();
            Map<String, float[]> numbers = numbers(model);
            Map<String, float[]> gradients;
            try (AttachedStrategy full = new FullFineTuning().attach(model)) {
                gradients = gradients(model, batch, GradientCheckpointing.none());
                model.network().allParameters().forEach(Parameter::clearGrad);
            }
            model.packForGeneration();
            assertClose(scores, model.logits(ModelInputs.of(ids)).toFloatArray());
            float[] cached = TextGeneratorCaches.logitsTokenByToken(model, ids, prompt);
            assertClose(Arrays.copyOfRange(scores, (prompt - 1) * SmallModels.VOCABULARY, scores.length), cached);
            Map<String, float[]> unpacked = numbers(model);
            numbers.forEach((name, values) -> assertArrayEquals(values, unpacked.get(name), name));
            assertClose(scores, model.logits(ModelInputs.of(ids)).toFloatArray());
            try (AttachedStrategy full = new FullFineTuning().attach(model)) {
                Map<String, float[]> packed = gradients(model, batch, GradientCheckpointing.none());
                assertEquals(gradients.keySet(), packed.keySet());
                gradients.forEach((name, gradient) -> assertClose(gradient, packed.get(name)));
            }
        }
    }

    private static Map<String, float[]> numbers(CausalLM model) {
        Map<String, float[]> numbers = new HashMap<>();
        model.network().namedParameters().forEach((name, parameter) -> {
            try (TensorScope scope = TensorScope.open()) {
                numbers.put(name, parameter.as(DType.FLOAT32).toFloatArray());
            }
        });
        return numbers;
    }

    private static Map<String, float[]> gradients(CausalLM model, Batch batch, GradientCheckpointing checkpointing) {
        model.network().allParameters().forEach(parameter -> parameter.clearGrad());
        double scale = 1.0 / batch.labelledTokens();
        new Backpropagation(model, checkpointing)
                .run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, scale));
        Map<String, float[]> gradients = new HashMap<>();
        model.network().namedParameters().forEach((name, parameter) -> {
            Tensor gradient = parameter.grad();
            if (gradient != null) {
                gradients.put(name, gradient.toFloatArray());
            }
        });
        return gradients;
    }

    private static Batch batch(Random random) {
        int seq = 6;
        int[] ids = tokens(random, 2 * seq);
        byte[] mask = new byte[2 * seq];
        Arrays.fill(mask, 0, 2 * seq - 2, (byte) 1);
        int[] labels = ids.clone();
        labels[2 * seq - 1] = -100;
        labels[2 * seq - 2] = -100;
        return new Batch(2, seq, ids, mask, labels, null);
    }

    private static CausalLM model(String architecture, long seed) {
        return CausalLM.initialize(SmallModels.config(architecture, new Random(seed)), null, Device.CPU, seed);
    }

    private static int[] tokens(Random random, int count) {
        return random.ints(count, 1, SmallModels.VOCABULARY).toArray();
    }

    private static void assertClose(float[] expected, float[] actual) {
        assertEquals(expected.length, actual.length);
        float largest = 1;
        for (float value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], 2e-5 * largest);
        }
    }
}
