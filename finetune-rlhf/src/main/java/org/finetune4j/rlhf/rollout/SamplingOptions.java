package org.finetune4j.rlhf.rollout;

import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationOptions;

/**
 * How a policy answers.
 *
 * @param generations answers to a prompt
 * @param maxCompletionLength tokens of the longest answer, its end token included
 * @param temperature what scores are divided by, when answers are drawn and when they are learned from
 * @param topP tokens are drawn from the likeliest ones that have this probability together; 1 for all
 * @param topK tokens are drawn from this many of the likeliest; 0 for all
 * @param minP tokens are drawn from those that are at least this times as likely as the likeliest; 0 for all
 * @param stopStrings texts that end an answer, as the end token does
 */
public record SamplingOptions(
        int generations,
        int maxCompletionLength,
        double temperature,
        double topP,
        int topK,
        double minP,
        List<String> stopStrings) {

    /**
     * Refuses what cannot be drawn.
     *
     * @param generations answers to a prompt
     * @param maxCompletionLength tokens of the longest answer
     * @param temperature above 0
     * @param topP above 0, at most 1
     * @param topK at least 0
     * @param minP from 0 to 1
     * @param stopStrings texts that end an answer
     * @throws UserErrorException when a number is outside of its range
     */
    public SamplingOptions {
        stopStrings = List.copyOf(stopStrings);
        if (generations < 1 || maxCompletionLength < 1) {
            throw new UserErrorException("num_generations is " + generations + " and max_completion_length "
                    + maxCompletionLength + ", expected at least 1");
        }
        if (!(temperature > 0)) {
            throw new UserErrorException("temperature is " + temperature
                    + ", expected a number above 0: a policy learns from answers that are drawn");
        }
    }

    /**
     * The defaults: temperature 1, any token.
     *
     * @param generations answers to a prompt
     * @param maxCompletionLength tokens of the longest answer
     * @return the options
     */
    public static SamplingOptions of(int generations, int maxCompletionLength) {
        return new SamplingOptions(generations, maxCompletionLength, 1, 1, 0, 0, List.of());
    }

    /**
     * The same for another number of answers.
     *
     * @param count answers to a prompt
     * @return the options
     */
    public SamplingOptions withGenerations(int count) {
        return new SamplingOptions(count, maxCompletionLength, temperature, topP, topK, minP, stopStrings);
    }

    GenerationOptions generation(long seed) {
        GenerationOptions.Builder options = GenerationOptions.builder()
                .maxNewTokens(maxCompletionLength)
                .minNewTokens(0)
                .temperature(temperature)
                .topP(topP)
                .topK(topK)
                .minP(minP)
                .typicalP(1)
                .repetitionPenalty(1)
                .noRepeatNgramSize(0)
                .numBeams(1)
                .seed(seed)
                .numReturnSequences(generations);
        return stopStrings.isEmpty()
                ? options.build()
                : options.stopStrings(stopStrings).build();
    }
}
