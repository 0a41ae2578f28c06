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
        // Numbers that were only added would give one sequence's random numbers to the next, a token later.
        this.random =
                new SplittableRandom(options.seed() ^ (number == 0 ? 0 : new SplittableRandom(number).nextLong()));
    }

    /** @param scores of every token of the vocabulary, before any softmax; changed in place */
    int choose(TokenSequence sequence, float[] scores) {
        for (LogitsProcessor processor : processors) {
            processor.process(sequence, scores);
        }
        return sampling ? draw(scores) : Scores.argmax(scores);
    }

    /**
     * Draws one of the next token's probabilities.
     *
     * @param from the place of the first token's
     * @param to behind that of the last one's
     * @return the place of the token
     */
    int draw(float[] probabilities, int from, int to) {
        return WeightedDraw.draw(probabilities, from, to, random);
    }

    private int draw(float[] scores) {
        double largest = scores[Scores.argmax(scores)];
        float[] weights = new float[scores.length];
        for (int i = 0; i < scores.length; i++) {
            if (scores[i] != Float.NEGATIVE_INFINITY) {
                weights[i] = (float) Math.exp(scores[i] - largest);
                if (Float.isNaN(weights[i])) {
                    return i; // no number, or infinite: whoever asks looks at the score
                }
            }
        }
        return draw(weights, 0, weights.length);
    }
}
