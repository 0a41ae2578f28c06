package org.finetune4j.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Changes the scores of the next token before it is chosen. */
@FunctionalInterface
interface LogitsProcessor {

    /** Scores that differ at all are 1e20 apart at this temperature, and such of 1e8 do not overflow. */
    double COLDEST = 1e-30;

    /**
     * Changes the scores in place.
     *
     * @param sequence the tokens so far
     * @param scores of every token of the vocabulary, changed in place; negative infinity takes a token away
     */
    void process(TokenSequence sequence, float[] scores);

    /** What the options ask for, in transformers' order. */
    static List<LogitsProcessor> of(GenerationOptions options, Set<Integer> stops) {
        List<LogitsProcessor> chain = new ArrayList<>();
        if (options.repetitionPenalty() != 1) {
            chain.add(RepetitionRules.penalty(options.repetitionPenalty()));
        }
        if (options.noRepeatNgramSize() > 0) {
            chain.add(RepetitionRules.noRepeatNgram(options.noRepeatNgramSize()));
        }
        if (options.minNewTokens() > 0 && !stops.isEmpty()) {
            chain.add(noStopBefore(options.minNewTokens(), stops));
        }
        if (options.isSampling()) {
            // Beam search needs one token that is not a stop token to go on with.
            int keep = options.numBeams() > 1 ? stops.size() + 1 : 1;
            addSampling(chain, options, keep);
        }
        return chain;
    }

    private static void addSampling(List<LogitsProcessor> chain, GenerationOptions options, int keep) {
        if (options.temperature() != 1) {
            chain.add(temperature(options.temperature()));
        }
        if (options.topK() > 0) {
            chain.add(Truncation.topK(options.topK(), keep));
        }
        if (options.topP() < 1) {
            chain.add(Truncation.topP(options.topP(), keep));
        }
        if (options.minP() > 0) {
            chain.add(Truncation.minP(options.minP(), keep));
        }
        if (options.typicalP() < 1) {
            chain.add(Truncation.typicalP(options.typicalP(), keep));
        }
    }

    /** Divides all scores: below 1 makes likely tokens likelier. */
    static LogitsProcessor temperature(double temperature) {
        double divisor = divisor(temperature);
        return (sequence, scores) -> {
            for (int i = 0; i < scores.length; i++) {
                scores[i] = (float) (scores[i] / divisor);
            }
        };
    }

    /** What scores are divided by: colder than this, which leaves the likeliest token alone, they would leave float's range. */
    static float divisor(double temperature) {
        return (float) Math.max(temperature, COLDEST);
    }

    private static LogitsProcessor noStopBefore(int minNewTokens, Set<Integer> stops) {
        return (sequence, scores) -> {
            if (sequence.newTokens() < minNewTokens) {
                for (int stop : stops) {
                    if (stop < scores.length) {
                        scores[stop] = Float.NEGATIVE_INFINITY;
                    }
                }
            }
        };
    }
}
