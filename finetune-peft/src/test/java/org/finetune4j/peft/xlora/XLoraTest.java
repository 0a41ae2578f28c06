package org.finetune4j.peft.xlora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Dropout;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraBatch;
import org.finetune4j.peft.prompt.PromptTuning;
import org.finetune4j.peft.prompt.PromptTuningConfig;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is X-LoRA's own: two passes in generation and in batches of any form, its files, and what it refuses. */
class XLoraTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/peft");
    private static final Path RECORDED = GOLDENS.resolve("llama/xlora-layers");

    @TempDir
    Path directory;

    private static CausalLM model(String name) {
        return CausalLM.load(PeftParityTest.BASES.resolve(name));
    }

    private static float[] logits(CausalLM model, int... ids) {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(ModelInputs.of(ids)).toFloatArray();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama/xlora-layers", "llama/xlora", "qwen2/xlora-top"})
    void answersWithACacheAreThoseOfWholePasses(String name) {
        try (CausalLM model = model(Path.of(name).getParent().toString());
                Adapter adapter = AdapterFormat.load(model, GOLDENS.resolve(name), false)) {
            List<int[]> prompts = List.of(new int[] {5, 9, 17, 33, 4, 8}, new int[] {71, 12, 150}, new int[] {40});
            List<int[]> answers =
                    TextGenerator.of(model).generate(prompts, GenerationOptions.greedy(7), (row, token) -> {});
            for (int row = 0; row < prompts.size(); row++) {
                assertArrayEquals(wholePasses(model, prompts.get(row), 7), answers.get(row));
            }
        }
    }

    /** As PEFT answers: everything again for every token. */
    private static int[] wholePasses(CausalLM model, int[] prompt, int count) {
        int[] all = prompt;
        for (int i = 0; i < count; i++) {
            float[] scores = logits(model, all);
            int vocabulary = scores.length / all.length;
            int from = scores.length - vocabulary;
            int best = IntStream.range(from, scores.length)
                    .reduce((a, b) -> scores[b] > scores[a] ? b : a)
                    .orElseThrow();
            all = Arrays.copyOf(all, all.length + 1);
            all[all.length - 1] = best - from;
        }
        return Arrays.copyOfRange(all, prompt.length, all.length);
    }

    @Test
    void samplesInOneRowHaveTheGradientsOfRowsOfTheirOwn() {
        List<Sample> samples = List.of(sample(5, 9, 17, 33, 4, 8), sample(5, 9, 150, 12));
        try (CausalLM model = model("llama");
                Adapter adapter = AdapterFormat.load(model, RECORDED, true)) {
            Collator rows = new Collator(0, 1);
            Map<String, float[]> expected = gradients(model, adapter, rows.collate(samples));
            gradients(model, adapter, rows.withoutPadding().collate(samples))
                    .forEach((key, gradient) -> assertArrayEquals(expected.get(key), gradient, 1e-5f, key));
        }
    }

    private static Sample sample(int... ids) {
        return new Sample(ids, ids);
    }

    private static Map<String, float[]> gradients(CausalLM model, Adapter adapter, Batch batch) {
        adapter.trainableParameters().forEach(Parameter::clearGrad);
        Map<String, float[]> gradients = new LinkedHashMap<>();
        try (TensorScope scope = TensorScope.open()) {
            new Backpropagation(model, GradientCheckpointing.none())
                    .withoutDropout()
                    .run(
                            batch.modelInputs(),
                            LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens()));
            adapter.parametersByKey()
                    .forEach((key, parameter) -> gradients.put(
                            key, Objects.requireNonNull(parameter.grad(), key).toFloatArray()));
        }
        return gradients;
    }

    @Test
    void aFirstPassOfZeroIsTheBaseAndATieOfNothingIsNothing() {
        try (TensorScope scope = TensorScope.open();
                Autograd.Mode mode = Autograd.disabled();
                CausalLM model = model("qwen2");
                XLoraAdapter adapter =
                        (XLoraAdapter) AdapterFormat.load(model, GOLDENS.resolve("qwen2/xlora-top"), false)) {
            XLoraClassifier classifier = (XLoraClassifier) Objects.requireNonNull(model.tokenScaling());
            assertEquals(null, classifier.before(1, 2, DType.FLOAT32, Device.CPU));
            adapter.parametersByKey()
                    .values()
                    .forEach(parameter -> parameter.value().zeroInPlace());
            Tensor nothing = classifier.of(Tensors.ones(DType.FLOAT32, Device.CPU, 1, 2, 48), Dropout.OFF);
            for (float scale : nothing.toFloatArray()) {
                assertEquals(0, scale);
            }
        }
    }

    @Test
    void aStoredMixtureCanBeMovedAndHasAFolderForEveryAdapter() throws IOException {
        float[] before;
        Path first = directory.resolve("first");
        try (CausalLM model = model("llama")) {
            Map<String, Path> loras = MixedLoras.two(model, directory.resolve("loras"), "q_proj");
            Torch.seed(3);
            try (Adapter adapter = (Adapter) new XLora(XLoraConfig.of(loras)).attach(model)) {
                before = logits(model, 5, 9, 17);
                adapter.export(first);
            }
        }
        Path moved = Files.move(first, directory.resolve("moved"));
        for (int number = 0; number < 2; number++) {
            assertTrue(Files.exists(moved.resolve(number + "/adapter_model.safetensors")));
        }
        Files.move(directory.resolve("loras"), directory.resolve("gone"));
        try (CausalLM model = model("llama");
                Adapter adapter = AdapterFormat.load(model, moved, false)) {
            assertArrayEquals(before, logits(model, 5, 9, 17));
        }
    }

    @Test
    void moreThanTenAdaptersKeepTheirOrder() {
        Map<String, Object> folders = new LinkedHashMap<>();
        for (String number : List.of("0", "1", "10", "2", "3", "4", "5", "6", "7", "8", "9")) {
            folders.put(number, number);
        }
        XLoraConfig config = XLoraConfig.from(new Settings("a file", Map.of("adapters", folders)), null);
        assertEquals(
                IntStream.range(0, 11).mapToObj(String::valueOf).toList(),
                List.copyOf(config.adapters().keySet()));
    }

    private static String refusal(Map<String, Object> settings) {
        return message(() -> XLoraConfig.from(new Settings("a.yaml", settings), null));
    }

    private static String message(org.junit.jupiter.api.function.Executable action) {
        return String.valueOf(assertThrows(UserErrorException.class, action).getMessage());
    }

    @Test
    void settingsThatDoNotGoTogetherAreNamed() {
        Map<String, Object> two = Map.of("a", "x", "b", "y");
        assertTrue(refusal(Map.of()).startsWith("a.yaml: 'adapters'"));
        assertTrue(refusal(Map.of("adapters", List.of("x"))).contains("a map from names to directories"));
        assertEquals(
                "a.yaml: 'top_k_lora' is 3, expected 1 to 2, the number of adapters",
                refusal(Map.of("adapters", two, "top_k_lora", 3)));
        assertEquals(
                "a.yaml: 'enable_softmax_topk' needs 'top_k_lora'",
                refusal(Map.of("adapters", two, "enable_softmax_topk", true)));
    }

    /** A router is given tokens, not rows: what one of several adapters adds to it would be left out without a word. */
    @ParameterizedTest
    @ValueSource(strings = {"mixtral", "qwen3_moe"})
    void adaptersOfARouterAreRefusedBesideOthers(String name) {
        try (CausalLM model = model(name);
                AdapterSet adapters = AdapterSet.of(model)) {
            Path whole = MixedLoras.write(
                    model, directory.resolve("gate"), Lora.builder().rank(2).targetModules("gate"), 4);
            Path tensor = MixedLoras.write(
                    model,
                    directory.resolve("tensor"),
                    Lora.builder().rank(2).targetParameters(List.of("gate.weight")),
                    4);
            for (Path written : List.of(whole, tensor)) {
                String message = message(() -> new XLora(XLoraConfig.of(Map.of("odd", written))).attach(model));
                assertTrue(message.contains("gate, which sees tokens by themselves"), message);
            }
            adapters.load("router", tensor);
            String message = message(() -> LoraBatch.of(model, adapters));
            assertTrue(message.contains("gate, which sees tokens by themselves"), message);
        }
    }

    @Test
    void whatCannotBeMixedIsRefusedAndLeavesTheBaseAsItWas() {
        try (CausalLM model = model("llama")) {
            float[] base = logits(model, 5, 9, 17);
            Map<String, Lora.Builder> others = new LinkedHashMap<>();
            others.put(
                    "has use_dora or lora_bias",
                    Lora.builder().rank(2).useDora(true).targetModules("q_proj"));
            others.put("sees tokens by themselves", Lora.builder().rank(2).targetModules("lm_head"));
            others.put(
                    "does more than change the output", Lora.builder().rank(2).targetModules("embed_tokens"));
            List<String> messages = new ArrayList<>();
            others.forEach((expected, lora) -> {
                Path written = MixedLoras.write(model, directory.resolve("lora-" + messages.size()), lora, 4);
                String message = message(() -> new XLora(XLoraConfig.of(Map.of("odd", written))).attach(model));
                assertTrue(message.startsWith("adapter 'odd'") && message.contains(expected), message);
                messages.add(message);
            });
            assertTrue(message(() -> new XLora(XLoraConfig.of(Map.of("none", directory.resolve("none")))).attach(model))
                    .endsWith("expected adapter_config.json with the peft_type LORA"));
            Map<String, Path> loras = MixedLoras.two(model, directory.resolve("loras"), "q_proj");
            XLoraConfig fits = XLoraConfig.of(loras);
            XLora wide = new XLora(new XLoraConfig(loras, fits.classifier(), fits.scalings(), false, 0, 64));
            assertEquals("'hidden_size' is 64, this model has 48", message(() -> wide.attach(model)));
            assertArrayEquals(base, logits(model, 5, 9, 17));
        }
    }

    @Test
    void theFileThatPeftItselfWritesSaysWhatItLacks() throws IOException {
        Path copy = directory.resolve("copy");
        Files.createDirectories(copy);
        Files.copy(RECORDED.resolve("adapter_config.json"), copy.resolve("adapter_config.json"));
        for (int number = 0; number < 3; number++) {
            Path folder = Files.createDirectories(copy.resolve(String.valueOf(number)));
            for (String file : List.of("adapter_config.json", "adapter_model.safetensors")) {
                Files.copy(RECORDED.resolve(number + "/" + file), folder.resolve(file));
            }
        }
        Files.copy(
                GOLDENS.resolve("llama/xlora/0/adapter_model.safetensors"), copy.resolve("adapter_model.safetensors"));
        try (CausalLM model = model("llama")) {
            String message = message(() -> AdapterFormat.load(model, copy, false));
            assertTrue(
                    message.contains("no tensor 'base_model.internal_xlora_classifier.layers.0.weight': PEFT's"
                            + " save_pretrained leaves out"),
                    message);
        }
    }

    @Test
    void mixturesAndRowsWithAdaptersOfTheirOwnExcludeEachOther() {
        try (CausalLM model = model("llama");
                AdapterSet adapters = AdapterSet.of(model)) {
            adapters.load("mixture", RECORDED);
            assertTrue(message(() -> LoraBatch.of(model, adapters)).contains("cannot be used side by side"));
            adapters.activate("mixture");
            assertTrue(message(() -> PromptTuning.of(PromptTuningConfig.of(4)).attach(model))
                    .startsWith("virtual tokens beside X-LoRA are not implemented"));
            assertTrue(message(() -> adapters.get("mixture").merge()).startsWith("X-LoRA cannot be folded"));
            adapters.deactivate();
            assertFalse(model.tokenScaling() != null);
        }
    }
}
