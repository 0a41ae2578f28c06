package org.finetune4j.generate.grammar;

import java.util.BitSet;
import org.finetune4j.regex.CharacterAutomaton;

/**
 * A JSON string, quotes and all, whose text an automaton reads and which has so many characters. Characters stand in UTF-8 or as any escape
 * sequence that JSON has for them, and are whole: no half of a pair, no byte that could not go on to a character that may come.
 *
 * <p>A state is packed: the kind of place (5 bits), what has been read of a character (22), how many characters there were (17), and
 * where the automaton is (14).
 */
final class TextMachine extends Element.Machine {

    /** Places in a table of what can still become a text, which is made of each pattern with bounds. */
    static final long MOST_PLACES = 5_000_000;

    private static final int VALUE_BITS = 22;
    private static final int COUNT_BITS = 17;
    private static final int STATE_BITS = 14;

    /** Places: outside, between characters, within one in UTF-8 (so many bytes are to come), within an escape sequence. */
    private static final int BEGIN = 0;

    private static final int BETWEEN = 1;
    private static final int UTF8 = 1; // with 1 to 3 bytes to come: 2 to 4
    private static final int ESCAPE = 5;
    private static final int HEX = 6; // with 0 to 3 digits read: 6 to 9
    private static final int SECOND_BACKSLASH = 10;
    private static final int SECOND_U = 11;
    private static final int SECOND_HEX = 12; // 12 to 15
    private static final int OVER = 16;

    /** Within a character of UTF-8 that leads to one state whichever it is, with 1 to 3 bytes to come: 17 to 19. */
    private static final int ANY_UTF8 = 16;

    private static final String ESCAPED = "\"\\/bfnrt";
    private static final String ESCAPES = "\"\\/\b\f\n\r\t";

    private final CharacterAutomaton automaton;
    private final int least;
    private final int most;

    /** By how many characters there were the states that can still come to an end; empty where all can. */
    private final BitSet[] alive;

    /** The states that can be gone on to where any can. */
    private final BitSet every = new BitSet();

    /**
     * @param most number of characters, or {@link Element.Repeat#ANY}
     * @throws GrammarException when no text has this form, or it would take more than {@link #MOST_PLACES} to tell
     */
    TextMachine(CharacterAutomaton automaton, int least, int most) {
        this.automaton = automaton;
        this.least = least;
        this.most = most;
        every.set(0, automaton.states());
        this.alive = automaton == CharacterAutomaton.ANY ? new BitSet[0] : alive();
        if (alive.length > 0 && !alive[0].get(0)) {
            throw new GrammarException("no text is of this form");
        }
    }

    /** How many places the table of an automaton with these bounds has. */
    static long places(CharacterAutomaton automaton, int least, int most) {
        return automaton == CharacterAutomaton.ANY
                ? 1
                : (long) (automaton.states() + automaton.transitions())
                        * ((most == Element.Repeat.ANY ? least : most) + 2);
    }

    private BitSet[] alive() {
        int last = most == Element.Repeat.ANY ? least : most;
        BitSet[] all = new BitSet[last + 1];
        BitSet ends = new BitSet();
        for (int state = 0; state < automaton.states(); state++) {
            ends.set(state, automaton.accepts(state));
        }
        all[last] = most == Element.Repeat.ANY ? automaton.alive() : ends;
        for (int count = last - 1; count >= 0; count--) {
            all[count] = automaton.leadingTo(all[count + 1]);
            if (count >= least) {
                all[count].or(ends);
            }
        }
        return all;
    }

    @Override
    boolean mayEnd(long state) {
        return kind(state) == OVER;
    }

    @Override
    boolean mayGoOn(long state) {
        return kind(state) != OVER;
    }

    /** Far from its bounds it makes no difference how many characters a text has. */
    @Override
    long alike(long state, int reach) {
        int count = count(state);
        boolean far = automaton == CharacterAutomaton.ANY
                && most - count > reach
                && (count >= least || least - count > reach);
        long others = state >>> (COUNT_BITS + STATE_BITS) << (COUNT_BITS + STATE_BITS);
        return far ? others | (long) (count >= least ? least : 0) << STATE_BITS | where(state) : state;
    }

    @Override
    long after(long state, int read) {
        int kind = kind(state);
        int value = (int) (state >>> (COUNT_BITS + STATE_BITS)) & ((1 << VALUE_BITS) - 1);
        return switch (kind) {
            case BEGIN -> read == '"' ? pack(BETWEEN, 0, 0, 0) : DEAD;
            case BETWEEN -> between(state, read);
            case UTF8 + 1, UTF8 + 2, UTF8 + 3 -> {
                // Without the forms that are longer than they need be: 3 bytes are for U+0800 on, 4 for U+10000 on.
                int first = value > 0 || kind == UTF8 + 1 ? 0x80 : kind == UTF8 + 2 ? 0xa0 : 0x90;
                yield read >= first && read <= 0xbf ? utf8(state, kind - UTF8 - 1, (value << 6) | (read & 0x3f)) : DEAD;
            }
            case ANY_UTF8 + 1, ANY_UTF8 + 2, ANY_UTF8 + 3 ->
                (read & 0xc0) != 0x80
                        ? DEAD
                        : kind == ANY_UTF8 + 1
                                ? pack(BETWEEN, 0, countAfter(state), value)
                                : with(state, kind - 1, value);
            case ESCAPE -> {
                int simple = ESCAPED.indexOf(read);
                yield simple >= 0 ? character(state, ESCAPES.charAt(simple)) : read == 'u' ? with(state, HEX, 0) : DEAD;
            }
            case HEX, HEX + 1, HEX + 2, HEX + 3 -> hex(state, kind - HEX + 1, value, read);
            case SECOND_BACKSLASH -> read == '\\' ? with(state, SECOND_U, value) : DEAD;
            case SECOND_U -> read == 'u' ? with(state, SECOND_HEX, value << 12) : DEAD;
            case SECOND_HEX, SECOND_HEX + 1, SECOND_HEX + 2, SECOND_HEX + 3 ->
                second(state, kind - SECOND_HEX + 1, value, read);
            default -> DEAD;
        };
    }

    private long between(long state, int read) {
        if (read == '"') {
            return count(state) >= least && automaton.accepts(where(state)) ? pack(OVER, 0, 0, 0) : DEAD;
        }
        if (read == '\\') {
            return isAlive(state, 0, Character.MAX_CODE_POINT) ? with(state, ESCAPE, 0) : DEAD;
        }
        if (read < 0x80) {
            return read < ' ' ? DEAD : character(state, read);
        }
        if (read >= 0xc2 && read <= 0xdf) {
            return utf8(state, 1, read & 0x1f);
        }
        if (read >= 0xe0 && read <= 0xef) {
            return utf8(state, 2, read & 0x0f);
        }
        return read >= 0xf0 && read <= 0xf4 ? utf8(state, 3, read & 0x07) : DEAD;
    }

    /** @param more bytes that are to come */
    private long utf8(long state, int more, int value) {
        if (more == 0) {
            return character(state, value);
        }
        int shortest = more == 3 ? 0x10000 : more == 2 && value <= 0x0f ? 0x800 : 0;
        int first = Math.max(shortest, value << (6 * more));
        int last = ((value + 1) << (6 * more)) - 1;
        int target = first > value << (6 * more) ? -1 : automaton.after(where(state), first, last);
        if (target >= 0) { // whatever follows: there are thousands of beginnings, which need not be told apart
            boolean may = count(state) < most && targets(state).get(target);
            return may ? with(state, ANY_UTF8 + more, target) : DEAD;
        }
        return isAlive(state, first, last) ? with(state, UTF8 + more, value) : DEAD;
    }

    /** A hexadecimal digit of a character, or of the first half of a pair. */
    private long hex(long state, int digits, int before, int read) {
        int digit = Character.digit(read, 16);
        if (digit < 0) {
            return DEAD;
        }
        int value = before << 4 | digit;
        int open = 4 * (4 - digits);
        int first = value << open;
        int last = first + (1 << open) - 1;
        int high = Math.max(first, Character.MIN_HIGH_SURROGATE);
        int highest = Math.min(last, Character.MAX_HIGH_SURROGATE);
        boolean isPair = high <= highest
                && isAlive(
                        state,
                        Character.toCodePoint((char) high, Character.MIN_LOW_SURROGATE),
                        Character.toCodePoint((char) highest, Character.MAX_LOW_SURROGATE));
        if (digits == 4) {
            return isPair
                    ? with(state, SECOND_BACKSLASH, value - Character.MIN_HIGH_SURROGATE)
                    : character(state, value);
        }
        return isPair || isAlive(state, first, last) ? with(state, HEX + digits, value) : DEAD;
    }

    /** A hexadecimal digit of the second half of a pair; the first half's 10 bits stand before 12 bits for the second one's digits. */
    private long second(long state, int digits, int before, int read) {
        int digit = Character.digit(read, 16);
        if (digit < 0) {
            return DEAD;
        }
        int half = before >> 12;
        int value = (before & 0xfff) << 4 | digit;
        int open = 4 * (4 - digits);
        int first = Math.max(value << open, Character.MIN_LOW_SURROGATE);
        int last = Math.min((value << open) + (1 << open) - 1, Character.MAX_LOW_SURROGATE);
        if (first > last) {
            return DEAD;
        }
        char high = (char) (half + Character.MIN_HIGH_SURROGATE);
        int from = Character.toCodePoint(high, (char) first);
        if (digits == 4) {
            return character(state, from);
        }
        return isAlive(state, from, Character.toCodePoint(high, (char) last))
                ? with(state, SECOND_HEX + digits, half << 12 | value)
                : DEAD;
    }

    private long character(long state, int character) {
        int next = automaton.after(where(state), character);
        if (next < 0 || count(state) >= most || !targets(state).get(next)) {
            return DEAD;
        }
        return pack(BETWEEN, 0, countAfter(state), next);
    }

    /** Whether some character of a range may come. */
    private boolean isAlive(long state, int first, int last) {
        return first <= last && count(state) < most && automaton.leads(where(state), first, last, targets(state));
    }

    /** Where one more character may lead. */
    private BitSet targets(long state) {
        return alive.length == 0 ? every : alive[countAfter(state)];
    }

    private int countAfter(long state) {
        return most == Element.Repeat.ANY ? Math.min(count(state) + 1, least) : count(state) + 1;
    }

    private static long pack(int kind, int value, int count, int where) {
        return (((long) kind << VALUE_BITS | value) << COUNT_BITS | count) << STATE_BITS | where;
    }

    private static long with(long state, int kind, int value) {
        return pack(kind, value, count(state), where(state));
    }

    private static int kind(long state) {
        return (int) (state >>> (VALUE_BITS + COUNT_BITS + STATE_BITS));
    }

    private static int count(long state) {
        return (int) (state >>> STATE_BITS) & ((1 << COUNT_BITS) - 1);
    }

    private static int where(long state) {
        return (int) state & ((1 << STATE_BITS) - 1);
    }
}
