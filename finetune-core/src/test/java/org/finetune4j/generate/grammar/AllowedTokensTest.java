package org.finetune4j.generate.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.finetune4j.Json;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Tokens are allowed by their bytes, whatever kind of vocabulary they are in. */
class AllowedTokensTest {

    static Stream<Tokenizer> tokenizers() {
        return Stream.of(TestTokenizers.gpt2(), TestTokenizers.llama2());
    }

    /** A token is allowed just where its bytes can come. */
    @ParameterizedTest
    @MethodSource("tokenizers")
    void thoseAreAllowedWhoseBytesCanCome(Tokenizer opened) {
        try (Tokenizer tokenizer = opened) {
            AllowedTokens tokens = new AllowedTokens(tokenizer);
            for (String begun : new String[] {"", "{", "{\"", "{\"a", "{\"a\":", "{\"a\":1", "{\"a\":[", "{\"a\":t"}) {
                GrammarState state = AnswerGrammarTest.read(AnswerGrammar.json(), begun);
                assertNotNull(state);
                BitSet allowed = tokens.in(state);
                assertFalse(allowed.isEmpty(), begun);
                for (int token = 0; token < tokenizer.rows(); token++) {
                    assertEquals(tokens.after(state, token) != null, allowed.get(token), begun + " and token " + token);
                }
            }
        }
    }

    /** Far from its bounds a text is asked for once; near them what is allowed is that of the place. */
    @ParameterizedTest
    @MethodSource("tokenizers")
    void lengthsAreKeptToTheLastCharacter(Tokenizer opened) {
        try (Tokenizer tokenizer = opened) {
            AllowedTokens tokens = new AllowedTokens(tokenizer);
            for (String bounds :
                    new String[] {"\"minLength\": 60", "\"minLength\": 60, \"maxLength\": 130", "\"maxLength\": 70"}) {
                AnswerGrammar grammar = AnswerGrammar.jsonSchema("{\"type\": \"string\", " + bounds + "}");
                GrammarState state = AnswerGrammarTest.read(grammar, "\"");
                for (int count = 0; state != null; count++) {
                    BitSet allowed = tokens.in(state);
                    for (int token = 0; token < tokenizer.rows(); token++) {
                        assertEquals(tokens.after(state, token) != null, allowed.get(token), count + " and " + token);
                    }
                    state = count > 140 ? null : state.after(count % 7 == 0 ? '\\' : 'x');
                    state = state != null && count % 7 == 0 ? state.after('n') : state;
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("tokenizers")
    void specialTokensAreNoText(Tokenizer opened) {
        try (Tokenizer tokenizer = opened) {
            GrammarState inText = AnswerGrammarTest.read(AnswerGrammar.json(), "{\"");
            assertNotNull(inText);
            int special = tokenizer.eosTokenId().orElseThrow();
            AllowedTokens tokens = new AllowedTokens(tokenizer);
            assertFalse(tokens.in(inText).get(special));
            assertNull(tokens.after(inText, special));
            assertNull(tokens.after(inText, tokenizer.rows()));
        }
    }

    /** What a model that knows nothing would write. */
    @ParameterizedTest
    @MethodSource("tokenizers")
    void allowedTokensMakeJson(Tokenizer opened) {
        try (Tokenizer tokenizer = opened) {
            AllowedTokens tokens = new AllowedTokens(tokenizer);
            AnswerGrammar grammar = AnswerGrammar.jsonSchema("""
                    {"type": "object", "properties": {"word": {"type": "string", "maxLength": 12}, "ok": {"type": "boolean"},
                     "many": {"type": "array", "items": {"type": "integer"}, "maxItems": 4}},
                     "required": ["word", "ok", "many"], "additionalProperties": false}""");
            for (int seed = 0; seed < 10; seed++) {
                Random random = new Random(seed);
                List<Integer> answer = new ArrayList<>();
                GrammarState state = grammar.start();
                while (!state.isOver()) {
                    assertTrue(answer.size() < 1000, "it does not end");
                    int[] allowed = tokens.in(state).stream().toArray();
                    int token = allowed[random.nextInt(allowed.length)];
                    answer.add(token);
                    state = tokens.after(state, token);
                    assertNotNull(state);
                }
                String text = tokenizer.decode(
                        answer.stream().mapToInt(Integer::intValue).toArray(), true);
                assertEquals(3, Json.parse(text, "answer").size(), text);
            }
        }
    }

    /** Thousands of texts that differ in their lengths alone: every byte would be read in as many ways. */
    @Test
    void whatIsReadInTooManyWaysIsRefused() {
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            StringBuilder all = new StringBuilder();
            for (int i = 0; i < 4000; i++) {
                all.append(i == 0 ? "" : ",")
                        .append("{\"type\":\"string\",\"maxLength\":")
                        .append(1000 + i)
                        .append("}");
            }
            AnswerGrammar grammar = AnswerGrammar.jsonSchema("{\"anyOf\":[" + all + "]}");
            AllowedTokens tokens = new AllowedTokens(tokenizer, 100_000);
            GrammarState inText = AnswerGrammarTest.read(grammar, "\"");
            assertNotNull(inText);
            assertThrows(GrammarException.class, () -> tokens.in(inText));
        }
    }
}
