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

    /** Readings that may be followed to find the tokens of one place: below a second. All other answers wait meanwhile. */
    private static final long MOST_WORK = 2_000_000;

    /** A reading that goes on is worth so many that do not. */
    private static final int DEAD_SHARE = 8;

    private final VocabularyBytes vocabulary;
    private final long mostWork;
    private long work;
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
        this(tokenizer, MOST_WORK);
    }

    /** @param mostWork readings that may be followed to find the tokens of one place */
    AllowedTokens(Tokenizer tokenizer, long mostWork) {
        this.mostWork = mostWork;
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
        GrammarState one = state.alike(vocabulary.longest());
        BitSet known = kept.get(one);
        if (known == null) {
            known = find(one);
            kept.put(one, known);
        }
        return known;
    }

    private BitSet find(GrammarState state) {
        int[] order = vocabulary.order();
        BitSet allowed = new BitSet(vocabulary.rows());
        @Nullable GrammarState[] path = new @Nullable GrammarState[vocabulary.longest() + 1];
        path[0] = state;
        work = 0;
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
            GrammarState next = before == null ? null : follow(before, vocabulary.at(place, at));
            if (next == null) {
                return at + 1;
            }
            path[at + 1] = next;
        }
        return ALIVE;
    }

    private @Nullable GrammarState follow(GrammarState before, int value) {
        int cost = before.cost(value);
        GrammarState next = before.after(value);
        work += next == null ? cost / DEAD_SHARE : cost;
        if (work > mostWork) {
            throw new GrammarException("the grammar of the answer can be read in too many ways to find its next token:"
                    + " give alternatives that differ earlier");
        }
        return next;
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
