package org.finetune4j.generate;

import java.util.BitSet;

/** Processors that keep a text from repeating itself. */
final class RepetitionRules {

    private RepetitionRules() {}

    /** Makes tokens that prompt or continuation hold already less likely, each once (Keskar et al. 2019). */
    static LogitsProcessor penalty(double penalty) {
        return (sequence, scores) -> {
            BitSet done = new BitSet(scores.length);
            for (int i = 0; i < sequence.length(); i++) {
                int token = sequence.get(i);
                if (token < scores.length && !done.get(token)) {
                    done.set(token);
                    double score = scores[token];
                    scores[token] = (float) (score < 0 ? score * penalty : score / penalty);
                }
            }
        };
    }

    /** Takes away every token that would complete a run of {@code size} tokens that is there already. */
    static LogitsProcessor noRepeatNgram(int size) {
        return (sequence, scores) -> {
            int last = sequence.length() - size + 1;
            for (int start = 0; start < last; start++) {
                if (endsWith(sequence, start, size - 1)) {
                    scores[sequence.get(start + size - 1)] = Float.NEGATIVE_INFINITY;
                }
            }
        };
    }

    /** Whether the sequence ends with the {@code count} tokens that are at {@code start}. */
    private static boolean endsWith(TokenSequence sequence, int start, int count) {
        int tail = sequence.length() - count;
        for (int i = 0; i < count; i++) {
            if (sequence.get(start + i) != sequence.get(tail + i)) {
                return false;
            }
        }
        return true;
    }
}
