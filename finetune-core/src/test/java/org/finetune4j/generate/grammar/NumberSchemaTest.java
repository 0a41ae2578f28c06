package org.finetune4j.generate.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/** Bounds and multiples of numbers hold exactly. */
class NumberSchemaTest {

    private static AnswerGrammar of(String schema) {
        return AnswerGrammar.jsonSchema(schema.replace('\'', '"'));
    }

    private static boolean accepts(AnswerGrammar grammar, String text) {
        return AnswerGrammarTest.accepts(grammar, text);
    }

    @RepeatedTest(40)
    void wholeNumbersAreAllowedJustWhereTheyAreWithinTheBounds(RepetitionInfo run) {
        Random random = new Random(run.getCurrentRepetition());
        int least = random.nextInt(3000) - 1500;
        int most = least + random.nextInt(1200);
        int multiple = random.nextInt(4) == 0 ? 1 + random.nextInt(12) : 1;
        boolean open = random.nextBoolean();
        AnswerGrammar grammar = of(String.format(
                Locale.ROOT,
                open
                        ? "{'type': 'integer', 'exclusiveMinimum': %d, 'exclusiveMaximum': %d, 'multipleOf': %d}"
                        : "{'type': 'integer', 'minimum': %d, 'maximum': %d, 'multipleOf': %d}",
                open ? least - 12 : least,
                open ? most + 12 : most,
                multiple));
        int first = open ? least - 11 : least;
        int last = open ? most + 11 : most;
        for (int value = -3000; value <= 3000; value++) {
            boolean right = value >= first && value <= last && value % multiple == 0;
            assertEquals(right, accepts(grammar, String.valueOf(value)), grammar + " of " + value);
        }
    }

    @RepeatedTest(40)
    void numbersAreAllowedJustWhereTheyAreWithinTheBounds(RepetitionInfo run) {
        Random random = new Random(run.getCurrentRepetition());
        BigDecimal least = BigDecimal.valueOf(random.nextInt(400) - 200, random.nextInt(3));
        BigDecimal most = least.add(BigDecimal.valueOf(1 + random.nextInt(300), random.nextInt(3)));
        BigDecimal multiple = random.nextInt(3) == 0 ? BigDecimal.valueOf(1 + random.nextInt(30), 2) : null;
        boolean open = random.nextBoolean();
        AnswerGrammar grammar = of("{'type': 'number', '" + (open ? "exclusiveMinimum" : "minimum") + "': "
                + least.toPlainString() + ", 'maximum': " + most.toPlainString()
                + (multiple == null ? "}" : ", 'multipleOf': " + multiple + "}"));
        for (int i = -30_000; i <= 30_000; i += 7) {
            BigDecimal value = BigDecimal.valueOf(i, 2);
            boolean right = (open ? value.compareTo(least) > 0 : value.compareTo(least) >= 0)
                    && value.compareTo(most) <= 0
                    && (multiple == null || value.remainder(multiple).signum() == 0);
            assertEquals(
                    right, accepts(grammar, value.toPlainString()), least + " " + most + " " + multiple + ": " + value);
        }
        assertEquals(!open && multiple == null, accepts(grammar, least.toPlainString()) && multiple == null);
    }

    @Test
    void boundsOfLongsAndIntsHoldToTheLastDigit() {
        AnswerGrammar ints = of("{'type': 'integer', 'format': 'int32'}");
        assertTrue(accepts(ints, "2147483647") && accepts(ints, "-2147483648"));
        assertFalse(accepts(ints, "2147483648") || accepts(ints, "-2147483649") || accepts(ints, "10000000000"));
        AnswerGrammar longs = of("{'type': 'integer', 'format': 'int64'}");
        assertTrue(accepts(longs, String.valueOf(Long.MAX_VALUE)) && accepts(longs, String.valueOf(Long.MIN_VALUE)));
        assertFalse(accepts(longs, "9223372036854775808") || accepts(longs, "-9223372036854775809"));
    }

    /** A long holds them, whoever reads them. */
    @Test
    void wholeNumbersWithoutBoundsHave18DigitsAtMost() {
        for (String schema : Set.of("{'type': 'integer'}", "{'type': 'integer', 'minimum': 0}")) {
            assertTrue(accepts(of(schema), "9".repeat(18)));
            assertFalse(accepts(of(schema), "9".repeat(19)));
        }
    }

    @Test
    void boundsThatAreNoWholeNumbersHoldForWholeOnes() {
        AnswerGrammar grammar = of("{'type': 'integer', 'minimum': -2.5, 'exclusiveMaximum': 3.5}");
        assertTrue(accepts(grammar, "-2") && accepts(grammar, "3") && accepts(grammar, "0"));
        assertFalse(
                accepts(grammar, "-3") || accepts(grammar, "4") || accepts(grammar, "00") || accepts(grammar, "1.0"));
    }

    /** What a decimal is close to, a double may be: so many digits tell them apart. */
    @Test
    void numbersWithBoundsAreSoForReadersOfDoublesToo() {
        AnswerGrammar grammar = of("{'type': 'number', 'exclusiveMaximum': 1, 'minimum': 0}");
        assertTrue(accepts(grammar, "0.99999999999999") && accepts(grammar, "0") && accepts(grammar, "0.50"));
        assertFalse(accepts(grammar, "0." + "9".repeat(17)) || accepts(grammar, "1.0") || accepts(grammar, "1e-1"));
        assertFalse(accepts(grammar, "0.") || accepts(grammar, ".5") || accepts(grammar, "01"));
    }
}
