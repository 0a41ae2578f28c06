package org.finetune4j.generate;

import java.util.Arrays;
import java.util.Comparator;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Draws a token from scores: temperature, then the top k, then the top p, in transformers' order. The same seed draws the
 * same tokens on any machine with the same scores.
 */
final class TokenSampler {

    private final GenerationOptions options;
    private final SplittableRandom random;

    TokenSampler(GenerationOptions options) {
        this.options = options;
        this.random = new SplittableRandom(options.seed());
    }

    /** @param scores of every token of the vocabulary, before any softmax */
    int sample(float[] scores) {
        if (options.temperature() == 0) {
            return argmax(scores);
        }
        int[] order = candidates(scores);
        double[] probabilities = softmax(scores, order);
        int kept = keptByTopP(probabilities);
        double total = Arrays.stream(probabilities, 0, kept).sum();
        double draw = random.nextDouble() * total;
        for (int i = 0; i < kept - 1; i++) {
            draw -= probabilities[i];
            if (draw < 0) {
                return order[i];
            }
        }
        return order[kept - 1];
    }

    private static int argmax(float[] scores) {
        int best = 0;
        for (int i = 1; i < scores.length; i++) {
            if (scores[i] > scores[best]) {
                best = i;
            }
        }
        return best;
    }

    /** The tokens that top k leaves, the likeliest first. */
    private int[] candidates(float[] scores) {
        int count = options.topK() == 0 ? scores.length : Math.min(options.topK(), scores.length);
        return IntStream.range(0, scores.length)
                .boxed()
                .sorted(Comparator.comparingDouble((Integer token) -> -scores[token]))
                .limit(count)
                .mapToInt(Integer::intValue)
                .toArray();
    }

    private double[] softmax(float[] scores, int[] order) {
        double[] probabilities = new double[order.length];
        double sum = 0;
        for (int i = 0; i < order.length; i++) {
            probabilities[i] = Math.exp((scores[order[i]] - scores[order[0]]) / options.temperature());
            sum += probabilities[i];
        }
        for (int i = 0; i < order.length; i++) {
            probabilities[i] /= sum;
        }
        return probabilities;
    }

    /** How many of the likeliest tokens are needed to reach top p; at least one. */
    private int keptByTopP(double[] probabilities) {
        double reached = 0;
        for (int i = 0; i < probabilities.length; i++) {
            reached += probabilities[i];
            if (reached >= options.topP()) {
                return i + 1;
            }
        }
        return probabilities.length;
    }
}
