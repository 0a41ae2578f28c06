package org.finetune4j.generate;

import java.util.BitSet;
import java.util.Set;
import org.finetune4j.generate.grammar.AllowedTokens;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.finetune4j.generate.grammar.GrammarException;
import org.finetune4j.generate.grammar.GrammarState;
import org.jspecify.annotations.Nullable;

/** Keeps one answer within its grammar: takes away what cannot come next, and follows what was chosen. */
final class GrammarRule implements LogitsProcessor {

    private final AllowedTokens tokens;
    private final Set<Integer> stops;
    private @Nullable GrammarState state;

    /** @param stops may come where the answer may end */
    GrammarRule(AnswerGrammar grammar, AllowedTokens tokens, Set<Integer> stops) {
        this.tokens = tokens;
        this.stops = stops;
        this.state = grammar.start();
    }

    /** @throws GrammarException when no token of the vocabulary can come, or the answer can be read in too many ways */
    @Override
    public void process(TokenSequence sequence, float[] scores) {
        GrammarState now = state;
        if (now == null) {
            return;
        }
        BitSet next = tokens.in(now);
        boolean ends = now.isComplete();
        if (!stops.isEmpty()) {
            // What ends an answer is no part of it, whatever its text is: else it could be cut off in the middle.
            next = (BitSet) next.clone();
            for (int stop : stops) {
                next.set(stop, ends);
            }
        }
        if (next.isEmpty()) {
            throw new GrammarException("no token of the vocabulary goes on as the answer's grammar wants it");
        }
        for (int token = next.nextClearBit(0); token < scores.length; token = next.nextClearBit(token + 1)) {
            scores[token] = Float.NEGATIVE_INFINITY;
        }
    }

    /** Follows the token that was chosen. */
    void accept(int token) {
        GrammarState now = state;
        if (now != null && !stops.contains(token)) {
            state = tokens.after(now, token);
        }
    }

    /** Whether the answer is whole and nothing can be added to it. */
    boolean isOver() {
        return state == null || state.isOver();
    }
}
