package org.finetune4j.generate;

import java.util.List;
import java.util.SplittableRandom;

/**
 * Chooses the next token of one sequence: processes the scores, then takes the likeliest token or draws one. The same seed
 * draws the same tokens on any machine with the same scores, whatever else is in the batch.
 */
final class TokenSampler {

    private final List<LogitsProcessor> processors;
    private final boolean sampling;
    private final SplittableRandom random;

    /** @param number which of the sequences that share a seed this is: each draws its own numbers */
    TokenSampler(GenerationOptions options, List<LogitsProcessor> processors, long number) {
        this.processors = processors;
        this.sampling = options.isSampling();
        this.random = new SplittableRandom(options.seed() + number * 0x9E3779B97F4A7C15L);
    }

    /** @param scores of every token of the vocabulary, before any softmax; changed in place */
    int choose(TokenSequence sequence, float[] scores) {
        for (LogitsProcessor processor : processors) {
            processor.process(sequence, scores);
        }
        return sampling ? draw(scores) : Scores.argmax(scores);
    }

    /** The next random number of the sequence, from 0 to below 1. */
    double nextUniform() {
        return random.nextDouble();
    }

    private int draw(float[] scores) {
        int likeliest = Scores.argmax(scores);
        double largest = scores[likeliest];
        double[] weights = new double[scores.length];
        double total = 0;
        for (int i = 0; i < scores.length; i++) {
            if (scores[i] != Float.NEGATIVE_INFINITY) {
                weights[i] = Math.exp(scores[i] - largest);
                total += weights[i];
            }
        }
        double draw = random.nextDouble() * total;
        for (int i = 0; i < scores.length; i++) {
            draw -= weights[i];
            if (draw < 0) {
                return i;
            }
        }
        return likeliest;
    }
}
