package org.finetune4j.generate.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Objects;
import java.util.Random;
import org.finetune4j.Json;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** JSON is what Jackson reads, of what a model may be made to write. */
class AnswerGrammarTest {

    private static final AnswerGrammar JSON = AnswerGrammar.json();

    /** Where the whole text leads, or null where a byte of it cannot come. */
    static @Nullable GrammarState read(AnswerGrammar grammar, String text) {
        GrammarState state = grammar.start();
        for (byte each : text.getBytes(StandardCharsets.UTF_8)) {
            state = state == null ? null : state.after(each & 0xff);
        }
        return state;
    }

    static boolean accepts(AnswerGrammar grammar, String text) {
        GrammarState end = read(grammar, text);
        return end != null && end.isComplete();
    }

    @RepeatedTest(50)
    void whateverIsWrittenByAnotherWriterIsRead(RepetitionInfo run) {
        JsonNode object = object(new Random(run.getCurrentRepetition()), 4);
        for (String text : new String[] {Json.write(object), Json.writePretty(object), object.toPrettyString()}) {
            GrammarState end = read(JSON, text.replace("\r", ""));
            assertNotNull(end, text);
            assertTrue(end.isOver(), text);
        }
    }

    /** Whatever goes through the grammar at random and ends is read by another reader. */
    @RepeatedTest(100)
    void whateverItAllowsIsReadByAnotherReader(RepetitionInfo run) {
        String text = randomAnswer(JSON, new Random(run.getCurrentRepetition()));
        assertTrue(Json.parse(text, "answer").isObject(), text);
    }

    /** Bytes that can come, by chance; the likelier to close the longer it is. */
    static String randomAnswer(AnswerGrammar grammar, Random random) {
        GrammarState state = grammar.start();
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        while (!state.isOver() && !(state.isComplete() && random.nextInt(4) == 0)) {
            assertTrue(bytes.size() < 100_000, "it does not end");
            boolean hurries = bytes.size() > 300 || random.nextInt(10) == 0;
            int value = hurries ? closing(state) : -1;
            for (int tries = 0; value < 0 || state.after(value) == null; tries++) {
                assertTrue(tries < 100_000, "nothing goes on");
                value = random.nextInt(3) > 0 ? 0x20 + random.nextInt(0x60) : random.nextInt(256);
            }
            bytes.write(value);
            state = Objects.requireNonNull(state.after(value));
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    private static int closing(GrammarState state) {
        return "\"}],:0"
                .chars()
                .filter(value -> state.after(value) != null)
                .findFirst()
                .orElse(-1);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[]",
                "1",
                "{'a':1,}",
                "{'a' 1}",
                "{a:1}",
                "{'a':01}",
                "{'a':1.}",
                "{'a':.5}",
                "{'a':+1}",
                "{'a':tru}",
                "{'a':NaN}",
                "{'a':'\\x'}",
                "{'a':'\\ud800'}",
                "{'a':'\\udc00'}",
                "{'a':'\n'}",
                "{'a':[1,]}",
                "{'a':1}}",
                "{'a':1} ",
                "{  'a':1}"
            })
    void whatIsNoJsonOrEndlessIsNotAllowed(String text) {
        assertFalse(accepts(JSON, text.replace('\'', '"')), text);
    }

    @Test
    void anAnswerMayBeginWithASpaceAndIsWholeAtTheLastBrace() {
        assertTrue(accepts(JSON, " {}"));
        GrammarState open = read(JSON, "{\"a\": [{}");
        assertNotNull(open);
        assertFalse(open.isComplete());
        GrammarState closed = read(JSON, "{\"a\": [{}]}");
        assertNotNull(closed);
        assertTrue(closed.isOver());
    }

    /** In two halves of a pair, in UTF-8, or as it is: never half of a character. */
    @Test
    void charactersAreWhole() {
        assertTrue(accepts(JSON, "{\"\\ud83e\\udd8a\": \"\uD83E\uDD8A\u00e9\u6771\"}"));
        GrammarState state = read(JSON, "{\"");
        assertNotNull(state);
        int[] fox = {0xf0, 0x9f, 0xa6, 0x8a};
        for (int each : fox) {
            assertEquals(each == 0xf0 ? null : state, each == 0xf0 ? state.after(0x80) : state);
            state = state.after(each);
            assertNotNull(state);
        }
        assertNotNull(state.after('"'));
    }

    /** An answer that is nested without end needs as much memory as it is long, no more. */
    @Test
    void deepNestingIsNoRecursion() {
        GrammarState state = read(JSON, "{\"a\":");
        for (int depth = 0; depth < 100_000 && state != null; depth++) {
            state = state.after('[');
        }
        assertNotNull(state);
        for (int depth = 0; depth < 100_000 && state != null; depth++) {
            state = state.after(']');
        }
        assertNotNull(state);
        GrammarState end = state.after('}');
        assertNotNull(end);
        assertTrue(end.isOver());
    }

    private static ObjectNode object(Random random, int depth) {
        ObjectNode object = Json.object();
        for (int i = random.nextInt(5); i > 0; i--) {
            object.set(text(random), value(random, depth));
        }
        return object;
    }

    private static JsonNode value(Random random, int depth) {
        int kind = random.nextInt(depth > 0 ? 8 : 6);
        return switch (kind) {
            case 0 -> Json.of(null);
            case 1 -> Json.of(random.nextBoolean());
            case 2 -> Json.of(random.nextInt());
            case 3 -> Json.of(random.nextGaussian() * Math.pow(10, random.nextInt(40) - 20));
            case 4 -> Json.of(text(random));
            case 5 -> Json.of(random.nextInt(3));
            case 6 -> object(random, depth - 1);
            default -> {
                ArrayNode array = Json.array();
                for (int i = random.nextInt(4); i > 0; i--) {
                    array.add(value(random, depth - 1));
                }
                yield array;
            }
        };
    }

    private static String text(Random random) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(8); i > 0; i--) {
            int[] points = {'a' + random.nextInt(26), ' ', '"', '\\', '\n', 0x1, 0xe9, 0x6771, 0x1f98a, '/', 0x7f};
            text.appendCodePoint(points[random.nextInt(points.length - 1)]);
        }
        return text.toString();
    }
}
