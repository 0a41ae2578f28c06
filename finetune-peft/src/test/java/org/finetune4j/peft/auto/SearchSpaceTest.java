package org.finetune4j.peft.auto;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.TargetModules;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which candidates a space has, and in which order. */
class SearchSpaceTest {

    private static Set<String> methods(List<Candidate> candidates) {
        return candidates.stream().map(Candidate::method).collect(Collectors.toSet());
    }

    @Test
    void theFirstCandidateIsThePlainTrainingAndTheNextOnesHaveAllMethods() {
        List<Candidate> candidates = SearchSpace.standard().candidates(Map.of(), 7);
        assertEquals(SearchSpace.PLAIN, candidates.get(0).name());
        assertEquals(Map.of("method", "lora"), candidates.get(0).settings());
        assertEquals(Set.copyOf(SearchSpace.standard().methods()), methods(candidates.subList(1, 7)));
    }

    @Test
    void aMethodTakesOfTheGridWhatItHasKeysFor() {
        SearchSpace space = new SearchSpace(
                List.of("ia3", "adapter", "prefix_tuning", "lora"),
                List.of(4, 16),
                List.of(SearchSpace.ATTENTION, "all-linear"),
                List.of(1e-3, 1e-2));
        Map<String, Long> counts = space.candidates(Map.of(), 1).stream()
                .skip(1)
                .collect(Collectors.groupingBy(Candidate::method, Collectors.counting()));
        assertEquals(Map.of("ia3", 2L, "adapter", 4L, "prefix_tuning", 4L, "lora", 8L), counts);
        for (Candidate candidate : space.candidates(Map.of(), 1)) {
            candidate.strategy();
            assertFalse(candidate.method().equals("ia3") && candidate.settings().containsKey("r"));
        }
    }

    @Test
    void aSeedDecidesTheOrderAndNamesDiffer() {
        List<Candidate> first = SearchSpace.standard().candidates(Map.of(), 1);
        assertEquals(first, SearchSpace.standard().candidates(Map.of(), 1));
        assertNotEquals(first, SearchSpace.standard().candidates(Map.of(), 2));
        Set<String> names = first.stream().map(Candidate::name).collect(Collectors.toSet());
        assertEquals(first.size(), names.size());
        assertEquals(first.size(), new HashSet<>(first).size());
    }

    @ParameterizedTest
    @CsvSource({
        "model.layers.0.self_attn.q_proj, true",
        "model.layers.0.self_attn.q_norm, false",
        "model.layers.3.mlp.down_proj, false",
        "transformer.h.1.attn.c_attn, true",
        "transformer.h.1.attn.c_proj, true",
        "transformer.h.1.mlp.c_proj, false",
        "gpt_neox.layers.0.attention.query_key_value, true",
        "gpt_neox.layers.0.attention.dense, true",
        "gpt_neox.layers.0.mlp.dense_h_to_4h, false",
        "bert.encoder.layer.0.attention.self.query, true",
        "bert.encoder.layer.0.attention.output.dense, true",
        "bert.encoder.layer.0.attention.output.LayerNorm, false",
        "bert.encoder.layer.0.output.dense, false",
    })
    void attentionIsTheLinearLayersOfAttention(String path, boolean expected) {
        assertEquals(expected, TargetModules.of(SearchSpace.ATTENTION_PATHS).matches(path));
    }

    @ParameterizedTest
    @ValueSource(strings = {"full", "lroa"})
    void whatMakesNoAdapterIsRefused(String method) {
        UserErrorException refused = assertThrows(
                UserErrorException.class,
                () -> new SearchSpace(List.of(method), List.of(8), List.of("all-linear"), List.of(1e-3)));
        assertTrue(refused.getMessage().contains(method), refused.getMessage());
    }
}
