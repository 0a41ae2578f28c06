package org.finetune4j.strategy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.junit.jupiter.api.Test;

class FrozenPartsTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");

    private static List<String> trained(FrozenParts frozen) {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy attached = new FullFineTuning(frozen).attach(model)) {
            List<Parameter> all = List.copyOf(model.network().allParameters());
            all.forEach(parameter -> assertEquals(
                    attached.trainableParameters().contains(parameter), parameter.isTrainable(), parameter.name()));
            return attached.trainableParameters().stream().map(Parameter::name).toList();
        }
    }

    @Test
    void layersFromTheBottomAreFrozenWithTheEmbedding() {
        List<String> names = trained(new FrozenParts(1, List.of()));
        assertTrue(names.stream().noneMatch(name -> name.contains("layers.0.") || name.contains("embed_tokens")));
        assertTrue(names.contains("model.norm.weight"));
        assertTrue(names.contains("lm_head.weight"));
    }

    @Test
    void onlyWhatAPatternIsFoundInTrains() {
        assertEquals(
                List.of("model.layers.1.mlp.down_proj.weight"),
                trained(new FrozenParts(1, List.of("mlp\\.down_proj"))));
    }

    @Test
    void aPatternThatMatchesNothingIsToldWithTheNearestName() {
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> trained(new FrozenParts(0, List.of("model.nrom.weight"))));
        assertTrue(e.getMessage().contains("model.norm.weight"), e.getMessage());
        assertThrows(UserErrorException.class, () -> trained(new FrozenParts(99, List.of())));
    }
}
