package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
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

    /** As in another batch, where sums are added up in another order. */
    @Test
    void scoresThatDifferByRoundingDrawTheSameTokens() {
        int tokens = 32_000;
        SplittableRandom random = new SplittableRandom(4);
        float[] scores = new float[tokens];
        float[] others = new float[tokens];
        for (int i = 0; i < tokens; i++) { // all about as likely, which is the hardest case
            scores[i] = (float) random.nextDouble();
            others[i] = scores[i] + (float) (1e-6 * (2 * random.nextDouble() - 1));
        }
        int draws = 3000;
        Set<Integer> drawn = new HashSet<>();
        TokenSampler one = sampler(7, 0);
        TokenSampler other = sampler(7, 0);
        TokenSequence prompt = new TokenSequence(new int[] {0});
        for (int i = 0; i < draws; i++) {
            int token = one.choose(prompt, scores.clone());
            assertEquals(token, other.choose(prompt, others.clone()), "draw " + i);
            drawn.add(token);
        }
        assertTrue(drawn.size() > draws / 2, drawn.size() + " different tokens");
    }

    @Test
    void oneSequencesRandomNumbersAreNotTheNextOnesATokenLater() {
        TokenSequence prompt = new TokenSequence(new int[] {0});
        List<List<Integer>> sequences = new ArrayList<>();
        for (int number : new int[] {0, 1, 10, 20}) {
            TokenSampler sampler = sampler(9, number);
            List<Integer> tokens = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                tokens.add(sampler.choose(prompt, new float[1024])); // ten random numbers each
            }
            sequences.add(tokens);
        }
        for (List<Integer> one : sequences) {
            for (List<Integer> other : sequences) {
                for (int later = 0; later < 20; later++) {
                    if (one != other) {
                        int shift = later;
                        long alike = IntStream.range(0, 40)
                                .filter(i -> one.get(i + shift).equals(other.get(i)))
                                .count();
                        assertTrue(alike < 4, alike + " tokens alike, " + shift + " later");
                    }
                }
            }
        }
    }

    private static TokenSampler sampler(long seed, int number) {
        GenerationOptions options =
                GenerationOptions.builder().temperature(1).seed(seed).build();
        return new TokenSampler(options, LogitsProcessor.of(options, Set.of()), number);
    }

    @Test
    void whatIsNoNumberIsNotDrawnAround() {
        TokenSequence prompt = new TokenSequence(new int[] {0});
        for (float wrong : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            float[] scores = {1, 2, wrong, 0};
            assertEquals(2, sampler(1, 0).choose(prompt, scores));
        }
    }

    @Test
    void aTokenWithoutProbabilityIsNeverDrawn() {
        TokenSequence prompt = new TokenSequence(new int[] {0});
        TokenSampler sampler = sampler(3, 0);
        for (int i = 0; i < 500; i++) {
            float[] scores = {Float.NEGATIVE_INFINITY, 1, -200, 2, Float.NEGATIVE_INFINITY, -300, 0};
            int token = sampler.choose(prompt, scores);
            assertTrue(token == 1 || token == 3 || token == 6, "token " + token);
        }
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
