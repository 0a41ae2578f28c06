package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Linear;
import org.finetune4j.strategy.FineTuningMethod;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which modules a configuration means, by PEFT's rules. */
class ModuleSelectionTest {

    private static Set<String> selected(String base, Map<String, Object> settings) {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve(base))) {
            ModuleSelection selection = ModuleSelection.from(new Settings("config.yaml", settings), false);
            return Set.copyOf(
                    selection.select(model, "LORA", List.of(Linear.class)).keySet());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "mixtral, w1, model.layers.1.",
        "qwen3_moe, up_proj, model.layers.1.",
        "gpt_oss, gate_up_proj, model.layers.1.",
        "gpt2, c_fc, transformer.h.1.",
        "gpt_neox, dense, gpt_neox.layers.1.",
        "opt, fc1, model.decoder.layers.1.",
        "bert-seqcls, query, bert.encoder.layer.1."
    })
    void theNumberOfALayerIsTheFirstOneInAPath(String base, String target, String layer) {
        for (Object pattern : List.of("", List.of(), List.of("layers", "h", "layer"))) {
            Set<String> paths = selected(
                    base,
                    Map.of("target_modules", List.of(target), "layers_to_transform", 1, "layers_pattern", pattern));
            assertFalse(paths.isEmpty());
            assertTrue(paths.stream().allMatch(path -> path.startsWith(layer)), paths::toString);
        }
    }

    @Test
    void everyExpertOfALayerIsAdapted() {
        assertEquals(
                4,
                selected("mixtral", Map.of("target_modules", List.of("w1"), "layers_to_transform", List.of(1)))
                        .size());
    }

    @Test
    void aWholePathIsMeantInWhateverLayerItLies() {
        assertEquals(
                Set.of("model.layers.0.mlp.up_proj", "model.layers.1.self_attn.v_proj"),
                selected(
                        "llama",
                        Map.of(
                                "target_modules",
                                List.of("v_proj", "model.layers.0.mlp.up_proj"),
                                "layers_to_transform",
                                List.of(1))));
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "gpt_neox", "opt", "llama-seqcls", "bert-seqcls"})
    void allLinearLeavesTheOutputLayer(String base) {
        Set<String> paths = selected(base, Map.of("target_modules", "all-linear"));
        assertTrue(
                paths.stream().noneMatch(path -> path.matches("lm_head|embed_out|score|classifier")), paths::toString);
    }

    @Test
    void withoutADefaultTheModelsOwnNamesAreTold() {
        String message = assertThrows(UserErrorException.class, () -> selected("qwen3_moe", Map.of()))
                .getMessage();
        assertTrue(
                message.endsWith("no default for model_type 'qwen3_moe': write all-linear, or some of "
                        + "q_proj, k_proj, v_proj, o_proj, gate, gate_proj, up_proj, down_proj"),
                message);
    }

    @Test
    void namesNearAllLinearAreToldTheWord() {
        for (String name : List.of("all_linear", "all-liner", "alllinear")) {
            String message = assertThrows(
                            UserErrorException.class, () -> selected("llama", Map.of("target_modules", name)))
                    .getMessage();
            assertTrue(message.contains("did you mean 'all-linear'"), message);
        }
    }

    @ParameterizedTest
    @CsvSource({"all-linear, all-linear", "q_proj, q_proj", ".*q_proj, .*q_proj"})
    void reportsShowTargetsAsTheyAreWritten(String written, String shown) {
        Settings settings = new Settings("config.yaml", Map.of("target_modules", written));
        assertEquals(
                shown,
                FineTuningMethod.named("lora").create(settings).settings().get("target_modules"));
    }

    @Test
    void layersAreNoPartOfARegularExpression() {
        String message = assertThrows(
                        UserErrorException.class,
                        () -> selected("llama", Map.of("target_modules", ".*q_proj", "layers_to_transform", 1)))
                .getMessage();
        assertTrue(message.contains("layers_to_transform"), message);
    }

    @Test
    void aPatternOfLayersNeedsNumbers() {
        assertThrows(
                UserErrorException.class,
                () -> selected("llama", Map.of("target_modules", List.of("q_proj"), "layers_pattern", "layers")));
    }

    @Test
    void layersAreRefusedByAMethodWhoseFileCannotSayThem() {
        Settings settings =
                new Settings("config.yaml", Map.of("target_modules", List.of("k_proj"), "layers_to_transform", 1));
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"))) {
            String message = assertThrows(
                            UserErrorException.class,
                            () -> FineTuningMethod.named("ia3").create(settings).attach(model))
                    .getMessage();
            assertTrue(message.contains("layers_to_transform") && message.contains("IA3"), message);
        }
    }

    @Test
    void aNameOfASavedModuleThatMeansAnAdaptedOneIsRefused() {
        Settings settings = new Settings(
                "config.yaml", Map.of("target_modules", List.of("q_proj"), "modules_to_save", List.of("_proj")));
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"))) {
            String message = assertThrows(UserErrorException.class, () -> FineTuningMethod.named("lora")
                            .create(settings)
                            .attach(model))
                    .getMessage();
            assertTrue(message.contains("modules_to_save") && message.contains("q_proj"), message);
            assertFalse(model.network().isTrainable());
        }
    }
}
