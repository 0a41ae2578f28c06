package org.finetune4j.generate.grammar;

import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.Tokenizer;
import org.jspecify.annotations.Nullable;

/**
 * Which tokens of a vocabulary may come next where an answer has a grammar. The tokens are tried in the order of their bytes, so that
 * what several begin with is read once, and what cannot come is left at its first byte. For one thread at a time.
 */
public final class AllowedTokens {

    /** Sets of tokens: a bit for every token each. */
    private static final int KEPT = 256;

    private static final int ALIVE = Integer.MAX_VALUE;

    private final VocabularyBytes vocabulary;
    private final Map<GrammarState, BitSet> kept = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<GrammarState, BitSet> eldest) {
            return size() > KEPT;
        }
    };

    /**
     * The tokens of a vocabulary.
     *
     * @param tokenizer whose special tokens are no text, and never allowed; the first time this takes up to a second
     */
    public AllowedTokens(Tokenizer tokenizer) {
        this.vocabulary = VocabularyBytes.of(tokenizer);
    }

    /**
     * Where an answer is after one more token.
     *
     * @param state before it
     * @param token its id
     * @return the state, or null where the token was not allowed
     */
    public @Nullable GrammarState after(GrammarState state, int token) {
        int place = token < vocabulary.rows() ? vocabulary.place()[token] : -1;
        if (place < 0) {
            return null;
        }
        GrammarState now = state;
        for (int i = 0; i < vocabulary.length(place) && now != null; i++) {
            now = now.after(vocabulary.at(place, i));
        }
        return now;
    }

    /**
     * The tokens that may come next.
     *
     * @param state where the answer is
     * @return their ids, which are not changed; without those that end an answer
     */
    public BitSet in(GrammarState state) {
        BitSet known = kept.get(state);
        if (known == null) {
            known = find(state);
            kept.put(state, known);
        }
        return known;
    }

    private BitSet find(GrammarState state) {
        int[] order = vocabulary.order();
        BitSet allowed = new BitSet(vocabulary.rows());
        @Nullable GrammarState[] path = new @Nullable GrammarState[vocabulary.longest() + 1];
        path[0] = state;
        int deadFrom = ALIVE; // how many bytes of the last token that was tried cannot come
        for (int place = 0; place < order.length; place++) {
            int shared = vocabulary.shared()[place];
            if (shared < deadFrom) {
                deadFrom = read(place, shared, path);
                if (deadFrom == ALIVE) {
                    allowed.set(order[place]);
                }
            }
        }
        return allowed;
    }

    /** Reads a token from a byte on; the number of its bytes that cannot come, if any. */
    private int read(int place, int from, @Nullable GrammarState[] path) {
        int length = vocabulary.length(place);
        for (int at = from; at < length; at++) {
            GrammarState before = path[at];
            GrammarState next = before == null ? null : before.after(vocabulary.at(place, at));
            if (next == null) {
                return at + 1;
            }
            path[at + 1] = next;
        }
        return ALIVE;
    }

    /** Keeps what was found about the vocabulary that was asked for last. */
    public static final class Cache {

        private @Nullable Tokenizer of;
        private @Nullable AllowedTokens last;

        /**
         * {@return the tokens of a vocabulary, with what was found while it was asked for}
         *
         * @param tokenizer with the vocabulary
         */
        public synchronized AllowedTokens of(Tokenizer tokenizer) {
            AllowedTokens known = last;
            if (known == null || tokenizer != of) {
                known = new AllowedTokens(tokenizer);
                last = known;
                of = tokenizer;
            }
            return known;
        }
    }
}
