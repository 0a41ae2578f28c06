package org.finetune4j.rlhf.rewards;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.train.objective.Ranks;
import org.finetune4j.train.objective.SharedWork;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RewardFunctionsTest {

    /** A reward that a configuration can name. */
    public static final class Shouting implements RewardFunction {

        @Override
        public double score(RewardRequest request) {
            return request.completion().chars().filter(Character::isUpperCase).count();
        }
    }

    private static final List<RewardRequest> ANSWERS = List.of(
            new RewardRequest("2 + 2", "FOUR 4", Map.of("answer", "4")),
            new RewardRequest("2 + 3", "four 4", Map.of("answer", "5")));

    private static final Ranks ALONE = new Ranks() {};

    private static List<RewardSource> read(Object... entries) {
        return RewardFunctions.read(new Settings("config.yaml", Map.of("reward_funcs", List.of(entries))));
    }

    @Test
    void severalRewardsAreWeighted() {
        List<RewardSource> sources = read(
                "number_match", Shouting.class.getName(), Map.of("type", "regex", "pattern", "^f"), "number_match");
        try (WeightedRewards rewards = new WeightedRewards(sources, List.of(1.0, 0.5, -2.0, 0.0))) {
            WeightedRewards.Scores scores = rewards.score(ANSWERS, ALONE);
            assertArrayEquals(new double[] {1 + 0.5 * 4, -2}, scores.total());
            assertEquals(
                    Set.of("number_match", "Shouting", "regex", "number_match_2"),
                    scores.bySource().keySet());
        }
    }

    /** What a program or a service says may be something else each time. */
    @Test
    void ranksGoByWhatTheFirstOneWasTold() {
        Ranks other = new Ranks() {
            @Override
            public double[] ofFirst(double... numbers) {
                return new double[] {3, 4};
            }

            @Override
            public void onFirst(SharedWork work) {
                // The first rank does it.
            }
        };
        RewardSource service = RewardSource.of("service", request -> {
            throw new AssertionError("another rank asks");
        });
        try (WeightedRewards rewards = new WeightedRewards(List.of(service), List.of(2.0))) {
            assertArrayEquals(new double[] {6, 8}, rewards.score(ANSWERS, other).total());
        }
    }

    @Test
    void aConfigurationWithoutRewardsHasNone() {
        assertTrue(RewardFunctions.read(new Settings("config.yaml", Map.of())).isEmpty());
        assertThrows(UserErrorException.class, () -> new WeightedRewards(List.of(), List.of()));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "exact_mach | did you mean 'exact_match'",
                "org.finetune4j.NoSuchClass | there is no class 'org.finetune4j.NoSuchClass'",
                "java.lang.Object | neither a RewardFunction nor a RewardSource",
                "http:///x | is no address of a reward service",
                "regex | 'pattern' is missing"
            })
    void whatIsNoRewardIsRefusedInOneLine(String entry, String message) {
        UserErrorException e = assertThrows(UserErrorException.class, () -> read(entry));
        assertTrue(e.getMessage().contains(message), e.getMessage());
        assertEquals(1, e.getMessage().lines().count());
    }

    @Test
    void settingsOfARewardThatItDoesNotKnowAreRefused() {
        UserErrorException e =
                assertThrows(UserErrorException.class, () -> read(Map.of("type", "length", "maximum", 5)));
        assertTrue(e.getMessage().contains("unknown key 'maximum'"), e.getMessage());
    }

    @Test
    void aScoreThatIsNoNumberIsRefusedWithItsAnswer() {
        try (WeightedRewards rewards =
                new WeightedRewards(List.of(RewardSource.of("mine", request -> Double.NaN)), List.of())) {
            UserErrorException e = assertThrows(UserErrorException.class, () -> rewards.score(ANSWERS, ALONE));
            assertEquals(
                    "reward 'mine' gave NaN for the answer 'FOUR 4' to '2 + 2', expected a finite number",
                    e.getMessage());
        }
    }

    @Test
    void everyRewardHasAWeightOrNone() {
        assertThrows(UserErrorException.class, () -> new WeightedRewards(read("number_match"), List.of(1.0, 2.0)));
    }
}
