package org.finetune4j.generate.grammar;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Grammars that were asked for last, with what was found out about them: programs ask for the same few over and over. Several threads
 * may ask.
 */
public final class KeptGrammars {

    /** Each takes some megabytes at most. */
    private static final int KEPT = 16;

    /** What is said by longer texts, in characters, is read anew every time. */
    private static final int LONGEST = 256 * 1024;

    private final Map<List<?>, AnswerGrammar> kept = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<List<?>, AnswerGrammar> eldest) {
            return size() > KEPT;
        }
    };

    /**
     * A grammar that is kept, or else is made.
     *
     * @param key all that the grammar depends on. JSON stands in it as text: objects that differ in the order of their keys only are
     *     equal, and the answers to them are not
     * @param make makes it
     * @return the grammar
     */
    public AnswerGrammar of(List<?> key, Supplier<AnswerGrammar> make) {
        synchronized (kept) {
            AnswerGrammar known = kept.get(key);
            if (known != null) {
                return known;
            }
        }
        AnswerGrammar made = make.get();
        int length = key.stream()
                .mapToInt(part -> part instanceof String text ? text.length() : 0)
                .sum();
        if (length <= LONGEST) {
            synchronized (kept) {
                kept.put(key, made);
            }
        }
        return made;
    }
}
