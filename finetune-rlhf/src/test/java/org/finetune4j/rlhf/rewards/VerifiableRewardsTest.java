package org.finetune4j.rlhf.rewards;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VerifiableRewardsTest {

    private static RewardRequest request(String completion, Map<String, Object> columns) {
        return new RewardRequest("a prompt", completion, columns);
    }

    @ParameterizedTest
    @CsvSource({"Paris, false, 1", "' Paris\n', false, 1", "paris, false, 0", "paris, true, 1", "Paris., false, 0"})
    void anExactMatchIsTheRecordsAnswerButForWhiteSpace(String completion, boolean ignoreCase, double score) {
        assertEquals(
                score,
                new ExactMatchReward("answer", ignoreCase).score(request(completion, Map.of("answer", "Paris "))));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "'She has 5 + 7 = 12 eggs.\n#### 12' | 1",
                "'#### 12.00 and so on 13' | 1",
                "12 | 1",
                "the answer is 12. | 1",
                "12 eggs, no, 13 | 0",
                "'#### twelve' | 0",
                "nothing | 0",
                "-12 | 0",
                "$0,012 | 1"
            })
    void aNumberIsTheOneAfterTheMarkOrTheLastOne(String completion, double score) {
        assertEquals(
                score,
                new NumberMatchReward("answer")
                        .score(request(completion, Map.of("answer", "3 * 4 = <<3*4=12>>12\n#### 12"))));
    }

    @Test
    void anAnswerMayBeANumberOfTheRecord() {
        assertEquals(1, new NumberMatchReward("answer").score(request("about 1,200", Map.of("answer", 1200))));
    }

    @Test
    void aMissingColumnIsNamed() {
        UserErrorException e = assertThrows(UserErrorException.class, () -> new ExactMatchReward("answer", false)
                .score(request("x", Map.of("reply", "y"))));
        assertTrue(e.getMessage().contains("'answer'") && e.getMessage().contains("reply"), e.getMessage());
    }

    @Test
    void anExpressionIsSearchedForOrMatchesAll() {
        assertEquals(1, new RegexReward("\\d+", false).score(request("it is 42", Map.of())));
        assertEquals(0, new RegexReward("\\d+", true).score(request("it is 42", Map.of())));
        assertEquals(
                1, new RegexReward("(?s)<think>.*</think>.*", true).score(request("<think>\n</think>4", Map.of())));
    }

    @Test
    void anExpressionThatTakesTooManyStepsIsNoMatch() {
        assertEquals(0, new RegexReward("(a+)+(?!b)$", true).score(request("a".repeat(50) + "!", Map.of())));
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "5, 0.5", "10, 1", "20, 1", "30, 0.5", "50, 0"})
    void aLengthWithinBoundsIsGoodAndOutsideItFalls(int length, double score) {
        LengthReward reward = new LengthReward(LengthReward.Unit.CHARACTERS, 10, 20);
        assertEquals(score, reward.score(request("x".repeat(length), Map.of())));
    }

    @Test
    void lengthsCountCharactersWordsOrTokens() {
        RewardRequest request = new RewardRequest(
                "p", "\uD83D\uDE00 b c", Map.of(), new RewardRequest.Tokens(new int[0], new int[7], true));
        assertEquals(1, new LengthReward(LengthReward.Unit.CHARACTERS, 5, 5).score(request));
        assertEquals(1, new LengthReward(LengthReward.Unit.WORDS, 3, 3).score(request));
        assertEquals(1, new LengthReward(LengthReward.Unit.TOKENS, 7, 7).score(request));
        assertEquals(-0.5, new OverlongPunishment(9, 4).score(request));
    }

    @ParameterizedTest
    @CsvSource({
        "THINK, <think>a</think>b, 1",
        "THINK, b<think>a</think>, 0",
        "THINK, <think><think>a</think>, 0",
        "THINK_ANSWER, <think>a</think> <answer>b</answer>, 1",
        "THINK_ANSWER, <think>a</think>b, 0",
        "JSON, '{\"a\": [1]}', 1",
        "JSON, '{a: 1}', 0",
        "JSON, '', 0"
    })
    void formsAreToldApart(FormatReward form, String completion, double score) {
        assertEquals(score, form.score(request(completion, Map.of())));
    }

    @Test
    void aProgramIsRunInAProcessOfItsOwnAndForATime() {
        try (CommandReward reward = new CommandReward(
                List.of("sh", "-c", "grep -q '\"answer\":4.*\"completion\":\"four\"'"), Duration.ofSeconds(20))) {
            double[] scores =
                    reward.scores(List.of(request("four", Map.of("answer", 4)), request("five", Map.of("answer", 4))));
            assertEquals(1, scores[0]);
            assertEquals(0, scores[1]);
        }
        try (CommandReward endless =
                new CommandReward(List.of("sh", "-c", "sleep 600 & wait"), Duration.ofMillis(200))) {
            assertEquals(0, endless.scores(List.of(request("x", Map.of())))[0]);
        }
    }

    @Test
    void aProgramThatIsNotThereIsSaidInOneLine() {
        try (CommandReward reward = new CommandReward(List.of("no-such-program-here"), Duration.ofSeconds(5))) {
            UserErrorException e =
                    assertThrows(UserErrorException.class, () -> reward.scores(List.of(request("x", Map.of()))));
            assertTrue(e.getMessage().startsWith("cannot run no-such-program-here"), e.getMessage());
        }
    }

    @Test
    void aJavaProgramIsCompiledAndTested() {
        String test = """
                import java.util.List;
                public class AddTest {
                    public static void main(String[] args) {
                        if (Adder.add(List.of(1, 2, 3)) != 6) throw new AssertionError();
                    }
                }
                """;
        String body =
                "import java.util.List;\nclass Adder { static int add(List<Integer> n) { int s = 0; for (int i : n) s %s i; return s; } }\n";
        try (JavaTestReward reward = new JavaTestReward("test", Duration.ofSeconds(60))) {
            double[] scores = reward.scores(List.of(
                    request("Here it is:\n```java\n" + body.formatted("+=") + "```\nDone.", Map.of("test", test)),
                    request(body.formatted("-="), Map.of("test", test)),
                    request("no program", Map.of("test", test))));
            assertEquals(1, scores[0]);
            assertEquals(0, scores[1]);
            assertEquals(0, scores[2]);
        }
    }
}
