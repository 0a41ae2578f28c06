package org.finetune4j.generate.grammar;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/** Numbers as a table says: of every state the one that each character of a number leads to. */
final class NumberMachine extends Element.Machine {

    /** What numbers are written with; the digits' places are their values. */
    static final String CHARACTERS = "0123456789.-";

    private final List<int[]> table;
    private final BitSet ends;

    /**
     * @param table by state and by the place of a character the next state, or -1; states that cannot come to an end are left out
     * @param ends states in which a number is whole
     */
    NumberMachine(List<int[]> table, BitSet ends) {
        this.table = table;
        this.ends = ends;
        leaveOutWhatNeverEnds();
    }

    private void leaveOutWhatNeverEnds() {
        BitSet alive = (BitSet) ends.clone();
        for (int before = -1; before != alive.cardinality(); ) {
            before = alive.cardinality();
            for (int state = table.size() - 1; state >= 0; state--) {
                if (!alive.get(state)
                        && Arrays.stream(table.get(state)).anyMatch(next -> next >= 0 && alive.get(next))) {
                    alive.set(state);
                }
            }
        }
        for (int[] row : table) {
            for (int i = 0; i < row.length; i++) {
                row[i] = row[i] >= 0 && alive.get(row[i]) ? row[i] : -1;
            }
        }
    }

    /** Whether there is no number at all. */
    boolean isEmpty() {
        return !mayGoOn(0);
    }

    int states() {
        return table.size();
    }

    @Override
    long after(long state, int value) {
        int place = CHARACTERS.indexOf(value);
        return place < 0 ? DEAD : table.get((int) state)[place];
    }

    @Override
    boolean mayEnd(long state) {
        return ends.get((int) state);
    }

    @Override
    boolean mayGoOn(long state) {
        return Arrays.stream(table.get((int) state)).anyMatch(next -> next >= 0);
    }
}
