package org.finetune4j.generate.grammar;

import org.jspecify.annotations.Nullable;

/** Where an answer is in its grammar. A state knows those that it has led to; it belongs to one thread at a time. */
public final class GrammarState {

    private final AnswerGrammar grammar;
    private final Readings readings;
    private final @Nullable GrammarState[] known = new @Nullable GrammarState[256];
    private final boolean[] dead = new boolean[256];

    GrammarState(AnswerGrammar grammar, Readings readings) {
        this.grammar = grammar;
        this.readings = readings;
    }

    /**
     * {@return where the answer is after one more byte, or null where that byte cannot come}
     *
     * @param value of the byte, from 0 to 255
     * @throws GrammarException when the answer can be read in too many ways at once
     */
    public @Nullable GrammarState after(int value) {
        GrammarState next = known[value];
        if (next == null && !dead[value]) {
            Readings after = readings.after(value);
            if (after.isEmpty()) {
                dead[value] = true;
            } else {
                next = grammar.state(after);
                known[value] = next;
            }
        }
        return next;
    }

    /**
     * {@return a state after which the same bytes can come, one for many that differ in what is far away}
     *
     * @param reach of how many bytes this holds
     */
    @SuppressWarnings("ReferenceEquality") // they are the very same where nothing is far away
    GrammarState alike(int reach) {
        Readings others = readings.alike(reach);
        return others == readings ? this : grammar.state(others);
    }

    /**
     * {@return how much was done to find out what a byte leads to, or 0 where that is known}
     *
     * @param value of the byte, from 0 to 255, before it is asked for
     */
    int cost(int value) {
        return known[value] != null || dead[value] ? 0 : readings.next().size();
    }

    /** {@return whether the answer may end here} */
    public boolean isComplete() {
        return readings.mayEnd();
    }

    /** {@return whether nothing more can come} */
    public boolean isOver() {
        return readings.mustEnd();
    }
}
