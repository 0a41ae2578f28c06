package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import java.util.TreeSet;
import org.finetune4j.generate.grammar.AllowedTokens;
import org.finetune4j.generate.grammar.AnswerGrammar;
import org.finetune4j.generate.grammar.GrammarException;
import org.finetune4j.model.TestTokenizers;
import org.finetune4j.model.Tokenizer;
import org.junit.jupiter.api.Test;

/** What may come next in an answer with a grammar, and what ends it. */
class GrammarRuleTest {

    private static final AnswerGrammar DIGITS = AnswerGrammar.jsonSchema("{\"type\": \"integer\"}");

    private static Set<Integer> allowed(GrammarRule rule, int rows) {
        float[] scores = new float[rows];
        rule.process(new TokenSequence(new int[] {0}), scores);
        Set<Integer> all = new TreeSet<>();
        for (int token = 0; token < rows; token++) {
            if (scores[token] == 0) {
                all.add(token);
            }
        }
        return all;
    }

    private static int token(Tokenizer tokenizer, String text) {
        int[] ids = tokenizer.encode(text, false);
        assertEquals(1, ids.length, text);
        return ids[0];
    }

    /** Several tokens may end an answer, one of them a digit: it is none of a number, and ends one only where that may end. */
    @Test
    void whatEndsAnAnswerComesOnlyWhereItMayEnd() {
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            int special = tokenizer.eosTokenId().orElseThrow();
            int seven = token(tokenizer, "7");
            int one = token(tokenizer, "1");
            GrammarRule rule = new GrammarRule(DIGITS, new AllowedTokens(tokenizer), Set.of(special, seven));
            Set<Integer> first = allowed(rule, tokenizer.rows());
            assertTrue(first.contains(one));
            assertFalse(first.contains(seven) || first.contains(special));
            rule.accept(one);
            assertTrue(allowed(rule, tokenizer.rows()).containsAll(Set.of(seven, special, one)));
            assertFalse(rule.isOver());
        }
    }

    /** Without a token that ends an answer it goes on as far as it can. */
    @Test
    void anAnswerThatNothingEndsGoesOnUntilItIsWhole() {
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            int one = token(tokenizer, "1");
            GrammarRule rule = new GrammarRule(
                    AnswerGrammar.jsonSchema("{\"type\": \"integer\", \"maximum\": 111}"),
                    new AllowedTokens(tokenizer),
                    Set.of());
            for (int i = 0; i < 3; i++) {
                assertFalse(rule.isOver());
                assertTrue(allowed(rule, tokenizer.rows()).contains(one));
                rule.accept(one);
            }
            assertTrue(rule.isOver());
        }
    }

    @Test
    void whereEveryTokenEndsTheAnswerNothingGoesOn() {
        try (Tokenizer tokenizer = TestTokenizers.gpt2()) {
            Set<Integer> all = new TreeSet<>();
            for (int token = 0; token < tokenizer.rows(); token++) {
                all.add(token);
            }
            GrammarRule rule = new GrammarRule(DIGITS, new AllowedTokens(tokenizer), all);
            assertThrows(GrammarException.class, () -> allowed(rule, tokenizer.rows()));
        }
    }
}
