package org.finetune4j.generate.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import java.util.regex.Pattern;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Patterns, formats and lengths of strings hold, however a character is written. */
class TextSchemaTest {

    private static AnswerGrammar of(String schema) {
        return AnswerGrammar.jsonSchema(schema.replace('\'', '"'));
    }

    private static boolean accepts(AnswerGrammar grammar, String text) {
        return AnswerGrammarTest.accepts(grammar, Json.write(text));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "date-time; 2024-02-29T23:59:59.123+02:00; 2024-02-30T00:00:00Z",
                "date-time; 1999-12-31T00:00:00Z; 1999-12-31T00:00:00",
                "date; 2000-02-29; 1900-02-29",
                "date; 0001-01-31; 0000-01-01",
                "date; 2023-04-30; 2023-04-31",
                "time; 00:00:00Z; 24:00:00Z",
                "time; 12:30:01.5-11:30; 12:30",
                "duration; P3Y6M4DT12H30M5S; P",
                "duration; PT36H; P1Y2D",
                "duration; P2W; P2W1D",
                "email; john.doe+x@mail.example.org; john@",
                "email; a@b.co; a..b@c.de",
                "hostname; www.example.com; -a.com",
                "hostname; localhost; a..b",
                "ipv4; 255.0.10.99; 256.0.0.1",
                "ipv4; 1.2.3.4; 01.2.3.4",
                "ipv6; ::; :::",
                "ipv6; ::1; 1:2:3:4:5:6:7",
                "ipv6; 2001:db8::8a2e:370:7334; 1::2::3",
                "ipv6; 1:2:3:4:5:6:7:8; 1:2:3:4:5:6:7:8:9",
                "ipv6; ::ffff:10.0.0.1; ::ffff:10.0.0.256",
                "uuid; 123e4567-e89b-12d3-a456-426614174000; 123e4567e89b12d3a456426614174000"
            })
    void formatsAreKeptTo(String format, String right, String wrong) {
        AnswerGrammar grammar = of("{'type': 'string', 'format': '" + format + "'}");
        assertTrue(accepts(grammar, right), right);
        assertFalse(accepts(grammar, wrong), wrong);
        assertTrue(accepts(of("{'type': 'string', 'format': 'of my own'}"), wrong), "other formats describe only");
    }

    @RepeatedTest(30)
    void whatGoesThroughHasThePatternAndTheLength(RepetitionInfo run) {
        String pattern = "^([a-f\\u00e9-\\u00ff\"\\\\]+|\\ud83e\\udd8a{2}\n?)+$";
        ObjectNode schema = Json.object()
                .put("type", "string")
                .put("pattern", pattern)
                .put("minLength", 3)
                .put("maxLength", 9);
        String text = Json.parse(
                        AnswerGrammarTest.randomAnswer(
                                AnswerGrammar.jsonSchema(schema), new Random(run.getCurrentRepetition())),
                        "answer")
                .textValue();
        assertTrue(Pattern.compile(pattern).matcher(text).find(), text);
        int length = text.codePointCount(0, text.length());
        assertTrue(length >= 3 && length <= 9, text);
    }

    /** In UTF-8 or in escape sequences: it is the character that counts. */
    @Test
    void aCharacterMayBeWrittenInAnyWay() {
        AnswerGrammar grammar = of("{'type': 'string', 'pattern': '^[a\u00e9\uD83E\uDD8A/\\\\n]$'}");
        for (String right : new String[] {
            "a", "\\u0061", "\u00e9", "\\u00E9", "\uD83E\uDD8A", "\\ud83e\\udd8a", "/", "\\/", "\\n", "\\u000a"
        }) {
            assertTrue(AnswerGrammarTest.accepts(grammar, "\"" + right + "\""), right);
        }
        for (String wrong : new String[] {"b", "\\u0062", "\u00e8", "\\ud83e\\udd8b", "\\ud83e", "\\t", "aa", "\n"}) {
            assertFalse(AnswerGrammarTest.accepts(grammar, "\"" + wrong + "\""), wrong);
        }
    }

    /** A byte is allowed only where a character that may come begins with it. */
    @Test
    void noByteLeadsToWhereNothingGoesOn() {
        AnswerGrammar grammar = of("{'type': 'string', 'pattern': '^\u00e9$'}");
        GrammarState open = AnswerGrammarTest.read(grammar, "\"");
        assertNotNull(open);
        for (int value = 0; value < 256; value++) {
            assertEquals(value == 0xc3 || value == '\\', open.after(value) != null, "byte " + value);
        }
        GrammarState escape = AnswerGrammarTest.read(grammar, "\"\\u0");
        assertNotNull(escape);
        assertNull(escape.after('1'));
        assertNotNull(escape.after('0'));
    }

    /** UTF-8 has one form for each character, and none for halves of pairs. */
    @Test
    void onlyWellFormedBytesAreRead() {
        AnswerGrammar any = of("{'type': 'string'}");
        for (int[] wrong : new int[][] {
            {0xc0, 0x80},
            {0xc1, 0xbf},
            {0xe0, 0x80, 0x80},
            {0xe0, 0x9f, 0xbf},
            {0xed, 0xa0, 0x80},
            {0xf0, 0x80, 0xa0, 0x80},
            {0xf0, 0x8f, 0xbf, 0xbf},
            {0xf4, 0x90, 0x80, 0x80},
            {0xf5, 0x80, 0x80, 0x80},
            {0x80},
            {0xe2, 0x82, '"'}
        }) {
            GrammarState state = AnswerGrammarTest.read(any, "\"");
            for (int value : wrong) {
                state = state == null ? null : state.after(value);
            }
            assertNull(state);
        }
        for (int character = 0x20; character <= Character.MAX_CODE_POINT; character += 37) {
            if (character < Character.MIN_SURROGATE || character > Character.MAX_SURROGATE) {
                assertTrue(accepts(any, Character.toString(character)), Integer.toHexString(character));
            }
        }
        assertTrue(accepts(any, "\u007f"));
    }

    @Test
    void aPatternHoldsBesideAFormat() {
        AnswerGrammar grammar = of("{'type': 'string', 'format': 'ipv4', 'pattern': '^10\\\\.', 'maxLength': 8}");
        assertTrue(accepts(grammar, "10.1.2.3"));
        assertFalse(accepts(grammar, "11.1.2.3") || accepts(grammar, "10.1.2.34"));
    }

    /** Each by itself is small: what all of them take is bounded. */
    @Test
    void manyLargePatternsAreRefused() {
        ObjectNode schema = Json.object();
        ArrayNode all = schema.putArray("anyOf");
        for (int i = 0; i < 2000; i++) {
            all.addObject()
                    .put("type", "string")
                    .put("pattern", "^[a-z]{" + (i + 1) + "}$")
                    .put("maxLength", 50_000);
        }
        UserErrorException refused = assertThrows(UserErrorException.class, () -> AnswerGrammar.jsonSchema(schema));
        assertTrue(
                String.valueOf(refused.getMessage()).startsWith("the JSON schema at #/anyOf/"), refused.getMessage());
        assertEquals(0, String.valueOf(refused.getMessage()).getBytes(StandardCharsets.UTF_8).length / 500);
    }
}
