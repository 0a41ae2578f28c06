package org.finetune4j.generate.grammar;

import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.List;
import org.junit.jupiter.api.Test;

/** The grammars of the last few requests are kept. */
class KeptGrammarsTest {

    @Test
    void theSameIsAskedForAndTheOldestIsForgotten() {
        KeptGrammars kept = new KeptGrammars();
        AnswerGrammar first = kept.of(List.of("first", 1), AnswerGrammar::json);
        assertSame(first, kept.of(List.of("first", 1), AnswerGrammar::json));
        assertNotSame(first, kept.of(List.of("first", 2), AnswerGrammar::json));
        for (int i = 0; i < 40; i++) {
            kept.of(List.of(i), AnswerGrammar::json);
        }
        assertNotSame(first, kept.of(List.of("first", 1), AnswerGrammar::json));
    }

    @Test
    void whatIsSaidByMuchTextIsNotKept() {
        KeptGrammars kept = new KeptGrammars();
        List<String> long1 = List.of("x".repeat(1 << 20));
        assertNotSame(kept.of(long1, AnswerGrammar::json), kept.of(long1, AnswerGrammar::json));
    }
}
