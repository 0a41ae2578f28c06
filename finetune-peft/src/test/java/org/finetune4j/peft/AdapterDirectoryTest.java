package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Settings and directories of adapters: what is kept, what is refused, where several adapters go. */
class AdapterDirectoryTest {

    private static final Path LORA = Path.of("src/test/resources/goldens/peft/llama/lora");

    @TempDir
    Path directory;

    /** A copy of a recorded adapter with one setting changed. */
    private Path changed(String key, @Nullable Object value) throws IOException {
        Path copy = directory.resolve("adapter");
        Files.createDirectories(copy);
        Files.copy(LORA.resolve(AdapterWeights.NAME), copy.resolve(AdapterWeights.NAME));
        Map<String, @Nullable Object> config = new LinkedHashMap<>();
        config.putAll(AdapterConfigFile.read(LORA).asMap());
        config.put(key, value);
        AdapterConfigFile.write(copy, config);
        return copy;
    }

    @ParameterizedTest
    @ValueSource(strings = {"lora", "dora"})
    void theValuesOfAStoredLoraAreReadAndNoneAreDrawnBefore(String name) {
        Path stored = LORA.resolveSibling(name);
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                RandomGenerator.Use use = RandomGenerator.of(5).use()) {
            byte[] before = RandomGenerator.current().state().get("cpu");
            try (Adapter adapter = AdapterFormat.load(model, stored, false)) {
                assertArrayEquals(before, RandomGenerator.current().state().get("cpu"));
                assertTrue(adapter.parametersByKey().values().stream().allMatch(Parameter::isFinite));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "use_qalora, true",
        "layer_replication, '0,2'",
        "target_parameters, experts",
        "init_lora_weights, loftq",
        "init_lora_weights, pissa_niter_4"
    })
    void settingsThatChangeTheMathematicsAreRefused(String key, String value) throws IOException {
        Path adapter = changed(key, value.equals("true") ? true : value);
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"))) {
            String message = assertThrows(UserErrorException.class, () -> AdapterFormat.load(model, adapter, false))
                    .getMessage();
            assertTrue(message.contains(key) && message.contains(value), message);
        }
    }

    @ParameterizedTest
    @CsvSource({"r, 4, 2", "lora_alpha, 8, 16", "use_rslora, false, true", "target_modules, '[q_proj]', '[k_proj]'"})
    void goingOnWithOtherSettingsIsRefusedByTheirName(String key, String before, String now) throws IOException {
        Path stored = directory.resolve("stored");
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"))) {
            try (Adapter first = (Adapter) lora(key, before).attach(model)) {
                first.save(stored);
            }
            try (Adapter second = (Adapter) lora(key, now).attach(model)) {
                String message = assertThrows(UserErrorException.class, () -> second.restore(stored))
                        .getMessage();
                assertTrue(message.contains("'" + key + "'") && message.contains("adapter_config.json"), message);
                assertTrue(!message.contains("base"), message);
            }
        }
    }

    private static FineTuningStrategy lora(String key, String value) {
        Map<String, Object> settings =
                new LinkedHashMap<>(Map.of("r", 4, "lora_alpha", 8, "target_modules", List.of("q_proj")));
        settings.put(key, value.startsWith("[") ? List.of(value.substring(1, value.length() - 1)) : (Object) value);
        return FineTuningMethod.named("lora").create(new Settings("config.yaml", settings));
    }

    @Test
    void settingsThatChangeNothingAreKept() throws IOException {
        Path adapter = changed("written_by", "a newer version");
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                Adapter loaded = AdapterFormat.load(model, adapter, false)) {
            loaded.save(directory.resolve("again"));
            assertEquals(
                    AdapterConfigFile.read(adapter).asMap(),
                    AdapterConfigFile.read(directory.resolve("again")).asMap());
        }
    }

    @ParameterizedTest
    @CsvSource({"llama, CAUSAL_LM", "llama-seqcls, SEQ_CLS", "bert-seqcls, SEQ_CLS"})
    void theTaskThatPeftNeedsToOpenAnAdapterIsWritten(String base, String task) {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve(base));
                Adapter adapter = Lora.builder()
                        .rank(2)
                        .targetModules("all-linear")
                        .build()
                        .attach(model)) {
            adapter.save(directory);
            assertEquals(task, AdapterConfigFile.read(directory).asMap().get("task_type"));
        }
    }

    @Test
    void anAdapterOfAnotherBaseIsRefusedAndLeavesTheModel() {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("gpt2"))) {
            String message = assertThrows(UserErrorException.class, () -> AdapterFormat.load(model, LORA, false))
                    .getMessage();
            assertTrue(message.contains("arch/llama") && message.contains("matches no module"), message);
            assertTrue(!model.network().isTrainable());
        }
    }

    @Test
    void severalAdaptersGoWherePeftLooksForThem() {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                AdapterSet adapters = AdapterSet.of(model)) {
            adapters.add(AdapterSet.DEFAULT, Lora.builder().rank(2).build());
            adapters.load("legal", LORA);
            adapters.activate("legal");
            assertEquals("legal", adapters.active());
            adapters.save(directory);
            assertTrue(Files.exists(directory.resolve(AdapterWeights.NAME)));
            assertTrue(Files.exists(directory.resolve("legal").resolve(AdapterWeights.NAME)));
            String unknown = assertThrows(UserErrorException.class, () -> adapters.activate("legl"))
                    .getMessage();
            assertTrue(unknown.contains("did you mean 'legal'"), unknown);
            assertThrows(UserErrorException.class, () -> adapters.load("legal", LORA));
            adapters.remove("legal");
            assertEquals(List.of(AdapterSet.DEFAULT), List.copyOf(adapters.names()));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "lora",
                "dora",
                "vera",
                "ia3",
                "adalora",
                "loha",
                "lokr",
                "ln_tuning",
                "bitfit",
                "freeze",
                "adapter",
                "prefix_tuning",
                "ptuning_v2",
                "prompt_tuning",
                "p_tuning"
            })
    void everyMethodIsMadeFromSettings(String method) {
        Settings settings = new Settings("config.yaml", Map.of("freeze_layers", 1));
        assertEquals(method, FineTuningMethod.named(method).create(settings).method());
    }

    @Test
    void loraPlusGivesBAHigherLearningRate() {
        Settings settings = new Settings("config.yaml", Map.of("loraplus_lr_ratio", 16));
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                Adapter adapter = (Adapter)
                        FineTuningMethod.named("lora").create(settings).attach(model)) {
            List<ParameterGroup> groups = ParameterGroup.byLearningRate(
                    ParameterGroup.all(adapter.trainableParameters(), 0.01),
                    parameter -> adapter.trainingHooks().learningRateFactor(parameter));
            assertEquals(2, groups.size());
            for (ParameterGroup group : groups) {
                boolean ofB = group.learningRateFactor() == 16;
                assertTrue(group.parameters().stream()
                        .allMatch(parameter -> parameter.name().contains("lora_B") == ofB));
            }
        }
    }
}
