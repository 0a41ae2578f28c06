package org.finetune4j.train.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextMetricsTest {

    @TempDir
    Path directory;

    @Test
    void rougeCountsWordsPairsAndTheLongestCommonSequence() {
        String given = "The cat sat on the mat.";
        String expected = "the cat was on the red mat";
        // 5 of 6 and 7 words: 2 * 5 / 13; pairs "the cat" and "on the": 2 * 2 / (5 + 6); "the cat on the mat": 5.
        assertEquals(10.0 / 13, Rouge.n(1).score(given, expected), 1e-12);
        assertEquals(4.0 / 11, Rouge.n(2).score(given, expected), 1e-12);
        assertEquals(10.0 / 13, Rouge.longestCommonSubsequence().score(given, expected), 1e-12);
        assertEquals(0, Rouge.n(2).score("one", "one"), 0, "a word has no pair");
        assertEquals(0.5, Rouge.n(1).mean(List.of("a", "b"), List.of("a", "c")), 1e-12);
    }

    @Test
    void rougeOrdersMatterForTheLongestSequenceOnly() {
        assertEquals(1, Rouge.n(1).score("b a", "a b"), 0);
        assertEquals(0.5, Rouge.longestCommonSubsequence().score("b a", "a b"), 0);
        assertEquals(List.of("今", "天", "ok"), Rouge.words("今天 OK!"));
    }

    @Test
    void bleuSplitsPunctuationAsMteval13a() {
        assertEquals(
                List.of("Hello", ",", "world", "!", "It", "costs", "1,000.50", "$", ",", "10", "-", "20", "%", "."),
                Bleu.words("Hello, world! It costs 1,000.50$, 10-20%."));
        assertEquals(List.of("a", "\"", "b", "&", "c", "<"), Bleu.words("a &quot;b &amp; c &lt;"));
        assertEquals(List.of(), Bleu.words("  "));
    }

    @Test
    void bleuIsTheGeometricMeanOfPrecisionsTimesTheBrevityPenalty() {
        // 1-grams 5/6, 2-grams 3/5, 3-grams 1/4, 4-grams 0/3 smoothed to 1/(2*3); lengths equal.
        double expected = Math.exp((Math.log(5.0 / 6) + Math.log(3.0 / 5) + Math.log(1.0 / 4) + Math.log(1.0 / 6)) / 4);
        assertEquals(expected, Bleu.corpus(List.of("the cat sat on the mat"), List.of("the cat is on the mat")), 1e-12);
        assertEquals(1, Bleu.corpus(List.of("a b c d e"), List.of("a b c d e")), 1e-12);
        assertEquals(Math.exp(1 - 6.0 / 4), Bleu.corpus(List.of("a b c d"), List.of("a b c d e f")), 1e-12);
        assertEquals(0, Bleu.corpus(List.of("x y z w"), List.of("a b c d")), 0);
    }

    @Test
    void questionsAreReadWithIndexLetterOrTextAsTheAnswer() throws IOException {
        Path file = directory.resolve("questions.jsonl");
        Files.writeString(file, """
                {"prompt": "2+2=", "choices": ["3", "4"], "answer": 1}
                {"prompt": "2+2=", "choices": ["3", "4"], "answer": "B"}
                {"prompt": "2+2=", "choices": ["3", "4"], "answer": "4"}
                """);
        assertTrue(ChoiceQuestion.read(List.of(file.toString())).stream().allMatch(question -> question.answer() == 1));
        Files.writeString(file, "{\"prompt\": \"a\", \"choices\": [\"b\", \"c\"], \"answer\": \"d\"}\n");
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> ChoiceQuestion.read(List.of(file.toString())));
        assertTrue(e.getMessage().contains("questions.jsonl:1"), e.getMessage());
    }

    @Test
    void exactMatchIsAShare() {
        Answers answers = new Answers(List.of("a", "b", "c"), List.of("a", "x", "c"));
        assertEquals(2.0 / 3, answers.exactMatch(), 1e-12);
        assertEquals(2.0 / 3, answers.scores(List.of("exact_match")).get("exact_match"), 1e-12);
    }
}
