package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Objects;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.GoldenModels;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Experts that no token was sent to are part of a tensor that has a gradient in transformers: theirs is 0, not missing. */
class IdleExpertsTest {

    @ParameterizedTest
    @ValueSource(strings = {"mixtral", "qwen3_moe", "gpt_oss"})
    void anExpertWithoutTokensHasAGradientOfZero(String name) {
        try (CausalLM model = CausalLM.load(GoldenModels.directory(name));
                AttachedStrategy full = new FullFineTuning().attach(model);
                TensorScope scope = TensorScope.open()) {
            int[] two = {5, 6}; // one of them foretells, so that no layer needs all experts for it
            Batch batch = new Collator(0, 1).collate(List.of(new Sample(two, two)));
            new Backpropagation(model, GradientCheckpointing.none())
                    .run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
            int idle = 0;
            int experts = 0;
            for (var parameter : model.network().namedParameters().entrySet()) {
                if (parameter.getKey().contains(".experts.")) {
                    Tensor gradient =
                            Objects.requireNonNull(parameter.getValue().grad(), parameter.getKey());
                    assertEquals(parameter.getValue().numel(), gradient.numel());
                    idle += gradient.abs().max().item() == 0 ? 1 : 0;
                    experts++;
                }
            }
            assertTrue(idle > 0 && idle < experts, idle + " of " + experts);
        }
    }
}
