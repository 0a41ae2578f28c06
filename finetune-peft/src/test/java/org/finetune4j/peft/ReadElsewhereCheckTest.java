package org.finetune4j.peft;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.arguments.TrainingArguments;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What PEFT 0.21 with transformers 5.18 makes of adapters of experts was tried by hand: the rows without a reason have the same logits there. */
class ReadElsewhereCheckTest {

    private static final Path MODELS = Path.of("../finetune-core/src/test/resources/goldens/arch");

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "mixtral; lora; {'target_modules': ['w1', 'w2', 'w3']};",
                "mixtral; lora; {'target_modules': ['w2']};",
                "mixtral; lora; {'target_modules': ['q_proj', 'gate']};",
                "mixtral; lora; {'target_modules': 'all-linear'};",
                "mixtral; lora; {'target_modules': ['q_proj', 'w2'], 'rank_pattern': {'q_proj': 3}};",
                "qwen3_moe; lora; {'target_modules': ['gate_proj', 'up_proj', 'down_proj'], 'layers_to_transform': [0]};",
                "qwen3_moe; lora; {'target_modules': ['q_proj'], 'target_parameters': ['mlp.experts.gate_up_proj']};",
                "qwen3_moe; lora; {'target_modules': ['gate_proj', 'up_proj']}; all three or the last alone",
                "mixtral; lora; {'target_modules': ['w1']}; all three or the last alone",
                "mixtral; lora; {'target_modules': ['w1', 'w2', 'w3'], 'use_rslora': true}; use_rslora",
                "mixtral; lora; {'target_modules': ['w1', 'w2', 'w3'], 'rank_pattern': {'w1': 3}}; rank_pattern",
                "mixtral; lora; {'target_modules': '.*experts.[01].w2'}; an expression",
                "mixtral; lora; {'target_modules': ['experts.0.w2']}; experts.1.w2 is left out",
                "mixtral; ia3; {'target_modules': ['w2'], 'feedforward_modules': ['w2']}; LoRA alone",
                "olmoe; lora; {'target_modules': ['gate_proj', 'up_proj', 'down_proj']};",
                "gpt_oss; lora; {'target_modules': ['q_proj', 'o_proj']};",
                "gpt_oss; lora; {'target_modules': ['gate_up_proj', 'down_proj']}; it brings none",
                "gpt_oss; lora; {'target_modules': ['q_proj', 'router']}; it brings none",
                "gpt_oss; lora; {'target_modules': ['q_proj'], 'target_parameters': ['router.weight', 'mlp.experts.down_proj']};",
                "qwen2_moe; lora; {'target_modules': ['down_proj']}; none from single experts of this architecture",
                "qwen2_moe; lora; {'target_modules': ['q_proj', 'shared_expert.down_proj']};",
                "../variants/qwen3-moe-mixed-layers; lora; {'target_modules': ['down_proj']}; down_proj outside of experts",
                "gpt_neox; lora; {'target_modules': ['query_key_value', 'embed_out']}; embed_out",
                "gpt_neox; lora; {'target_modules': ['query_key_value']};"
            })
    void whatIsReadOtherwiseIsSaidBeforeItIsTrained(
            String name, String method, String settings, @Nullable String reason) {
        try (CausalLM model = CausalLM.load(MODELS.resolve(name))) {
            List<String> found = FineTuner.of(model)
                    .strategy(FineTuningMethod.named(method)
                            .create(new Settings(
                                    "config.yaml", Json.toMap(Json.parse(settings.replace('\'', '"'), "row")))))
                    .dataset(new SyntheticSamples(2, 100, 3))
                    .arguments(
                            TrainingArguments.builder().batchSize(1).maxSteps(1).build())
                    .preflight()
                    .findings()
                    .warnings()
                    .stream()
                    .filter(warning -> warning.startsWith("PEFT with transformers 5"))
                    .toList();
            assertEquals(reason == null ? 0 : 1, found.size(), found.toString());
            assertTrue(found.stream().allMatch(warning -> warning.contains(String.valueOf(reason))), found.toString());
        }
    }
}
