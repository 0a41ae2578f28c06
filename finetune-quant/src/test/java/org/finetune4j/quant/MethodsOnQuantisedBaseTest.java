package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.ModelWriter;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every method on the class path trains and merges on a base in 4 bits as it does on the same numbers in plain form. */
@Tag("slow")
class MethodsOnQuantisedBaseTest {

    private static final Path MODELS = Path.of("../finetune-core/src/test/resources/goldens/arch");
    private static final Set<String> TRAINS_THE_BASE = Set.of("full");
    private static final Set<String> OF_LINEAR_LAYERS =
            Set.of("lora", "dora", "vera", "ia3", "adalora", "loha", "lokr", "bitfit", "ln_tuning");

    private static final String MIXED = "../finetune-peft/src/test/resources/goldens/peft/qwen2/xlora-top/";

    /** Settings without which a method has nothing to do, or does not fit layers as small as these. */
    private static final Map<String, Map<String, Object>> NEEDED = Map.ofEntries(
            Map.entry("freeze", Map.of("freeze_layers", 1)),
            Map.entry("adalora", Map.of("total_step", 10)),
            Map.entry("road", Map.of("group_size", 4)),
            Map.entry("c3a", Map.of("block_size", 8)),
            Map.entry("randlora", Map.of("r", 4)),
            Map.entry("shira", Map.of("r", 4)),
            Map.entry("miss", Map.of("r", 4)),
            Map.entry("vblora", Map.of("vector_length", 8)),
            Map.entry("xlora", Map.of("adapters", Map.of("first", MIXED + "0", "second", MIXED + "1"))),
            Map.entry("trainable_tokens", Map.of("token_indices", List.of(5, 9, 17))));

    private static final int[] IDS = {5, 9, 17, 33, 65, 129, 7, 11, 40, 41};

    @TempDir
    Path plain;

    static Stream<Arguments> methodsAndModels() {
        return FineTuningMethod.all().stream()
                .map(FineTuningMethod::name)
                .filter(method -> !TRAINS_THE_BASE.contains(method))
                .flatMap(method -> OF_LINEAR_LAYERS.contains(method)
                        ? Stream.of(Arguments.of(method, "qwen2"), Arguments.of(method, "gpt2"))
                        : Stream.of(Arguments.of(method, "qwen2")));
    }

    @ParameterizedTest
    @MethodSource("methodsAndModels")
    void gradientsAndMergedModelAreThoseOfTheDecompressedBase(String method, String name) {
        LoadOptions options =
                LoadOptions.defaults().withCompression(Quantization.qlora().compression());
        try (TensorScope scope = TensorScope.open();
                CausalLM quantised = CausalLM.load(MODELS.resolve(name), options)) {
            ModelWriter.of(quantised).decompressed().write(plain);
            try (CausalLM decompressed = CausalLM.load(plain);
                    AttachedStrategy expected = attach(method, decompressed);
                    AttachedStrategy actual = attach(method, quantised)) {
                assertGradients(
                        gradients(decompressed, expected, GradientCheckpointing.none()),
                        gradients(quantised, actual, GradientCheckpointing.every(1)));
                if (actual instanceof Adapter adapter && OF_LINEAR_LAYERS.contains(method)) {
                    assertMerges(quantised, adapter);
                }
            }
        }
    }

    private void assertMerges(CausalLM model, Adapter adapter) {
        float[] unmerged = logits(model);
        long compressed = compressed(model);
        adapter.merge();
        assertArrayEquals(unmerged, logits(model), 2e-5f, "merged");
        assertEquals(compressed, compressed(model), "merging decompresses nothing for good");
        Path written = plain.resolve("merged");
        ModelWriter.of(model).decompressed().write(written);
        try (CausalLM loaded = CausalLM.load(written)) {
            assertEquals(0, compressed(loaded));
            assertArrayEquals(unmerged, logits(loaded), 2e-5f, "written");
        }
        adapter.unmerge();
        assertArrayEquals(unmerged, logits(model), "unmerged again");
    }

    @Test
    void fullFineTuningIsRefused() {
        LoadOptions options =
                LoadOptions.defaults().withCompression(Quantization.qlora().compression());
        try (CausalLM quantised = CausalLM.load(MODELS.resolve("qwen2"), options)) {
            UserErrorException refused = assertThrows(UserErrorException.class, () -> attach("full", quantised));
            assertTrue(Objects.requireNonNull(refused.getMessage()).contains("load_in_4bit"), refused.getMessage());
        }
    }

    private static AttachedStrategy attach(String method, CausalLM model) {
        Torch.seed(3);
        Map<String, Object> keys = new LinkedHashMap<>();
        if (!method.startsWith("p")
                && !Set.of("bitfit", "ln_tuning", "adapter", "full", "freeze", "ia3", "trainable_tokens")
                        .contains(method)) {
            keys.put("target_modules", "all-linear");
        }
        if (method.startsWith("p")) {
            keys.put("num_virtual_tokens", 4);
        }
        keys.putAll(NEEDED.getOrDefault(method, Map.of()));
        FineTuningStrategy strategy = FineTuningMethod.named(method).create(new Settings("test", keys));
        AttachedStrategy attached = strategy.attach(model);
        // Matrices that start at zero would hide half of the gradients.
        try (Autograd.Mode mode = Autograd.disabled();
                TensorScope scope = TensorScope.open()) {
            for (Parameter parameter : attached.trainableParameters()) {
                parameter
                        .value()
                        .addInPlace(Tensors.randn(DType.FLOAT32, Device.CPU, parameter.shape())
                                .mul(0.02));
            }
        }
        return attached;
    }

    private static Map<String, float[]> gradients(
            CausalLM model, AttachedStrategy attached, GradientCheckpointing checkpointing) {
        byte[] mask = new byte[IDS.length];
        Arrays.fill(mask, (byte) 1);
        Batch batch = new Batch(1, IDS.length, IDS, mask, IDS);
        new Backpropagation(model, checkpointing)
                .run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1.0 / (IDS.length - 1)));
        Map<String, float[]> gradients = new LinkedHashMap<>();
        for (Parameter parameter : attached.trainableParameters()) {
            gradients.put(
                    parameter.name(),
                    Objects.requireNonNull(parameter.grad(), parameter.name()).toFloatArray());
        }
        return gradients;
    }

    private static void assertGradients(Map<String, float[]> expected, Map<String, float[]> actual) {
        assertTrue(!expected.isEmpty());
        assertEquals(new ArrayList<>(expected.keySet()), new ArrayList<>(actual.keySet()));
        expected.forEach((name, gradient) -> {
            float largest = 1e-3f;
            for (float value : gradient) {
                largest = Math.max(largest, Math.abs(value));
            }
            assertArrayEquals(gradient, actual.get(name), 1e-5f * largest + 1e-7f, name);
        });
    }

    private static float[] logits(CausalLM model) {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(ModelInputs.of(IDS)).toFloatArray();
        }
    }

    private static long compressed(CausalLM model) {
        return List.copyOf(model.network().namedParameters().values()).stream()
                .filter(parameter -> parameter.compressed() != null)
                .count();
    }
}
