package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TokenSamplerTest {

    private static final float[] SCORES = {1, 3, 2, -1, 2.5f};

    @Test
    void withoutTemperatureTheLikeliestTokenIsTaken() {
        assertEquals(1, draw(GenerationOptions.greedy(1), 1)[1]);
    }

    @Test
    void topKLeavesOnlyTheLikeliest() {
        int[] counts = draw(GenerationOptions.builder().temperature(2).topK(2).build(), 500);
        assertEquals(500, counts[1] + counts[4]);
        assertTrue(counts[4] > 50);
    }

    @Test
    void topPLeavesTheFewestThatReachIt() {
        // Probabilities at temperature 1: 0.47, 0.28, 0.17, 0.06, 0.01.
        int[] counts = draw(GenerationOptions.builder().temperature(1).topP(0.5).build(), 500);
        assertEquals(500, counts[1] + counts[4]);
        assertTrue(counts[1] > 0 && counts[4] > 0);
    }

    @Test
    void frequenciesFollowTheSoftmax() {
        int draws = 20_000;
        int[] counts = draw(GenerationOptions.builder().temperature(1).build(), draws);
        double sum = 0;
        for (float score : SCORES) {
            sum += Math.exp(score);
        }
        for (int token = 0; token < SCORES.length; token++) {
            assertEquals(Math.exp(SCORES[token]) / sum, (double) counts[token] / draws, 0.015);
        }
    }

    @Test
    void nearlyNoTemperatureLeavesTheLikeliestToken() {
        for (double temperature : new double[] {1e-9, 1e-38, 1e-300, Double.MIN_VALUE}) {
            for (double topP : new double[] {1, 0.9}) {
                GenerationOptions options = GenerationOptions.builder()
                        .temperature(temperature)
                        .topP(topP)
                        .build();
                assertEquals(20, draw(options, 20)[1], temperature + ", " + topP);
            }
        }
    }

    @Test
    void theSameSeedDrawsTheSame() {
        GenerationOptions options =
                GenerationOptions.builder().temperature(1.5).seed(9).build();
        assertEquals(Arrays.toString(draw(options, 100)), Arrays.toString(draw(options, 100)));
    }

    @Test
    void impossibleOptionsAreRefused() {
        assertThrows(
                IllegalArgumentException.class,
                () -> GenerationOptions.builder().temperature(-1).build());
        assertThrows(
                IllegalArgumentException.class,
                () -> GenerationOptions.builder().topP(0).build());
        assertThrows(
                IllegalArgumentException.class,
                () -> GenerationOptions.builder().maxNewTokens(0).build());
    }

    private static int[] draw(GenerationOptions options, int times) {
        TokenSampler sampler = new TokenSampler(options, LogitsProcessor.of(options, Set.of()), 0);
        TokenSequence prompt = new TokenSequence(new int[] {0});
        int[] counts = new int[SCORES.length];
        for (int i = 0; i < times; i++) {
            counts[sampler.choose(prompt, SCORES.clone())]++;
        }
        return counts;
    }
}
