package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadBalancing;
import org.finetune4j.strategy.FullFineTuning;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The keys of a training decide what the routers of a mixture of experts add to its loss. */
class RouterLossKeysTest {

    private static final Path MODELS = Path.of("../finetune-core/src/test/resources/goldens/arch");

    private static LoadBalancing with(String model, Map<String, Object> keys) {
        try (CausalLM loaded = CausalLM.load(MODELS.resolve(model))) {
            new LoadSettings(TrainingConfig.with("a.yaml", keys, List.of()), new FullFineTuning()).applyTo(loaded);
            return loaded.network().loadBalancing();
        }
    }

    @ParameterizedTest
    @CsvSource({"mixtral", "qwen3_moe"})
    void aCoefficientOfTheTrainingTakesThePlaceOfTheModels(String model) {
        LoadBalancing balance = with(model, Map.of("router_aux_loss_coef", 0.25, "router_z_loss_coef", 0.125));
        assertTrue(balance.addsToLoss());
        assertEquals(0.25, balance.coefficient());
        assertEquals(0.125, balance.zCoefficient());
    }

    @ParameterizedTest
    @CsvSource({"mixtral", "qwen3_moe"})
    void aModelThatAsksForNothingGetsTheZLossAlone(String model) {
        LoadBalancing balance = with(model, Map.of("router_z_loss_coef", 0.125));
        assertTrue(balance.addsToLoss());
        assertEquals(0, balance.coefficient());
    }

    @ParameterizedTest
    @CsvSource({"mixtral", "qwen3_moe"})
    void withoutTheKeysTheModelDecides(String model) {
        try (CausalLM loaded = CausalLM.load(MODELS.resolve(model))) {
            assertEquals(loaded.network().loadBalancing(), with(model, Map.of()));
        }
    }
}
