package org.finetune4j.regex;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.BitSet;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** An automaton reads what its pattern is found in, character by character. */
class CharacterAutomatonTest {

    private static final long STEPS = 1_000_000;
    private static final int[] CHARACTERS = {
        'a', 'b', 'c', 'x', '0', '7', '-', '.', ' ', '\n', '\\', '_', 'Z', 0xe9, 0x6771, 0x1f98a, '@', '(', '$'
    };

    private static boolean reads(CharacterAutomaton automaton, String text) {
        int state = 0;
        for (int character : text.codePoints().toArray()) {
            state = state < 0 ? state : automaton.after(state, character);
        }
        return state >= 0 && automaton.accepts(state);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "a",
                "^a",
                "a$",
                "^a$",
                "^$",
                "",
                "^(a|b)*abb$",
                "^[a-c]{2,4}$",
                "^\\d{1,2}-\\d+\\.?$",
                "[^a-c\\s]",
                "^\\S+$",
                "x|^ab|0$",
                "^(?:ab?){0,3}c*$",
                "^(?<name>a+)(b|c)?$",
                "^.b.$",
                "^\\w+@\\w+$",
                "^\\W$",
                "\\\\",
                "^[\\\\\\]\\-a]+$",
                "^\\x41|\\u0062\\u6771$",
                "^a??b+?$",
                "^(a*)*b$",
                "(^a|b$)c?",
                "^\\p{L}+$",
                "^[\\p{Lu}\\d]$",
                "^a{0}b$",
                "[a-]{3,}"
            })
    void readsWhatThePatternIsFoundIn(String pattern) {
        CharacterAutomaton automaton = CharacterAutomaton.of(pattern, STEPS);
        // Java's dot leaves out a line end more, none of which is tried, and its end may stand before one.
        Pattern expected = Pattern.compile(pattern.replace("$", "\\z").replace("[^a-c\\s]", "[^abc\\s]"));
        Random random = new Random(pattern.hashCode());
        int found = 0;
        for (int i = 0; i < 20_000; i++) {
            StringBuilder text = new StringBuilder();
            for (int length = random.nextInt(6); length > 0; length--) {
                text.appendCodePoint(CHARACTERS[random.nextInt(random.nextBoolean() ? 4 : CHARACTERS.length)]);
            }
            boolean matches = expected.matcher(text).find();
            assertEquals(matches, reads(automaton, text.toString()), pattern + " in " + text);
            found += matches ? 1 : 0;
        }
        assertTrue(found > 0, pattern);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '`',
            value = {
                "(a; missing ) at position 2",
                "a); unbalanced parenthesis",
                "[a; has no end",
                "[b-a]; bad range",
                "*a; nothing to repeat",
                "a**; nothing to repeat",
                "a{3,2}; numbers out of order",
                "a{20000}; more than 10000 repetitions",
                "(?=a); look-around and flags",
                "(?!a)b; look-around and flags",
                "(?<=a)b; look-around and flags",
                "(?i)a; look-around and flags",
                "(a)\\1; '\\1' is not implemented",
                "a\\b; '\\b' is not implemented",
                "\\p{Nonsense}; '\\p{Nonsense}' is not implemented",
                "\\ud800; half of a pair",
                "(a{1000}){1000}; too large",
                "(a|b)*a(a|b){20}; too large",
                "a\\; nothing behind a backslash"
            })
    void whatNoAutomatonDoesIsRefused(String pattern, String reason) {
        PatternException refused = assertThrows(PatternException.class, () -> CharacterAutomaton.of(pattern, STEPS));
        assertTrue(String.valueOf(refused.getMessage()).contains(reason), refused.getMessage());
    }

    @Test
    void whatIsInBothIsReadByBoth() {
        CharacterAutomaton both = CharacterAutomaton.of("^[a-m]*$", STEPS).and(CharacterAutomaton.of("^.{2}$", STEPS));
        assertTrue(reads(both, "am"));
        assertFalse(reads(both, "az"));
        assertFalse(reads(both, "a"));
        assertTrue(reads(CharacterAutomaton.ANY.and(both), "bb"));
    }

    @Test
    void itIsKnownWhichCharactersLeadOn() {
        CharacterAutomaton automaton = CharacterAutomaton.of("^[b-d]$", STEPS);
        BitSet alive = automaton.alive();
        assertTrue(automaton.leads(0, 'a', 'b', alive));
        assertTrue(automaton.leads(0, 'd', 'z', alive));
        assertFalse(automaton.leads(0, 'e', Character.MAX_CODE_POINT, alive));
        assertFalse(automaton.leads(0, 'a', 'z', new BitSet()));
        assertTrue(automaton.leadingTo(alive).get(0));
        assertFalse(CharacterAutomaton.of("a^", STEPS).alive().get(0));
    }
}
