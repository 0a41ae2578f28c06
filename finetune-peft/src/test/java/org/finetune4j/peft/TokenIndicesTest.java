package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningMethod;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rows of tokens that train beside LoRA, and weights that stay tied. */
class TokenIndicesTest {

    private static AttachedStrategy attach(CausalLM model, Map<String, ?> settings) {
        Map<String, Object> all = new LinkedHashMap<>(Map.of("r", 2, "target_modules", List.of("v_proj")));
        all.putAll(settings);
        return FineTuningMethod.named("lora")
                .create(new Settings("config.yaml", all))
                .attach(model);
    }

    static List<Map<String, Object>> refused() {
        return List.of(
                Map.of("trainable_token_indices", List.of(3, 3)),
                Map.of("trainable_token_indices", List.of(-1)),
                Map.of("trainable_token_indices", List.of("a")),
                Map.of("trainable_token_indices", 7),
                Map.of("trainable_token_indices", List.of(199)),
                Map.of("trainable_token_indices", Map.of("q_proj", List.of(3))),
                Map.of("trainable_token_indices", List.of(3), "target_modules", List.of("embed_tokens")),
                Map.of("trainable_token_indices", List.of(3), "modules_to_save", List.of("embed_tokens")),
                Map.of(
                        "trainable_token_indices",
                        Map.of("embed_tokens", List.of(3), "lm_head", List.of(5)),
                        "ensure_weight_tying",
                        true));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void whatCannotTrainIsRefusedByName(Map<String, Object> settings) {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama-tied"))) {
            String message = assertThrows(UserErrorException.class, () -> attach(model, settings))
                    .getMessage();
            assertTrue(message.contains("trainable_token_indices"), message);
            assertFalse(model.network().isTrainable());
        }
    }

    @Test
    void adaptersOfTiedLayersAreRefusedByName() {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama-tied"))) {
            String message = assertThrows(
                            UserErrorException.class,
                            () -> attach(
                                    model,
                                    Map.of("target_modules", List.of("embed_tokens"), "ensure_weight_tying", true)))
                    .getMessage();
            assertTrue(message.contains("ensure_weight_tying"), message);
        }
    }

    @Test
    void aTiedCopyTrainsOnceAndGoesOnBeingTied() {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama-tied"));
                AttachedStrategy adapter =
                        attach(model, Map.of("modules_to_save", List.of("lm_head"), "ensure_weight_tying", true))) {
            assertTrue(model.network().isTied());
            assertEquals(
                    1,
                    adapter.trainableParameters().stream()
                            .filter(parameter -> parameter.name().equals("model.embed_tokens.weight"))
                            .count());
        }
    }
}
