package org.finetune4j.dist.communicator.watchdog;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the first rank concludes from what it hears, on a clock of the test's. */
class RankStatesTest {

    private static final long SECOND = 1_000_000_000L;

    private final RankStates states = new RankStates(3, 10 * SECOND);

    @BeforeEach
    void allSayHello() {
        for (int rank = 0; rank < 3; rank++) {
            states.hello(rank, "pid " + rank + " on host", 0);
        }
    }

    private static WaitingRank wait(long number, boolean isOver) {
        return new WaitingRank("world", number, List.of(0, 1, 2), 30, isOver, "all-reduce SUM");
    }

    @Test
    void whoSpeaksIsThere() {
        states.alive(0, "", 9 * SECOND);
        states.alive(1, "", 9 * SECOND);
        states.alive(2, "", 9 * SECOND);
        assertEquals(Optional.empty(), states.silent(15 * SECOND));
    }

    @Test
    void whoSaysNothingIsNamed() {
        states.alive(0, "", 9 * SECOND);
        states.alive(2, "", 9 * SECOND);
        assertEquals(
                Optional.of("rank 1 (pid 1 on host) has said nothing for 11 s:"
                        + " it is stopped, or its host or the network is gone"),
                states.silent(11 * SECOND));
    }

    @Test
    void whoIsDoneMaySayNothing() {
        assertFalse(states.bye(0));
        assertFalse(states.bye(1));
        assertTrue(states.bye(2));
        assertEquals(Optional.empty(), states.silent(60 * SECOND));
        assertEquals(Optional.empty(), states.disconnected(1));
    }

    @Test
    void aConnectionThatEndsIsADeath() {
        assertEquals(Optional.of("rank 2 (pid 2 on host) has died"), states.disconnected(2));
        assertEquals(Optional.empty(), states.disconnected(7));
    }

    @Test
    void whoWaitsMayWait() {
        states.alive(0, "world 5", SECOND);
        assertEquals(Optional.empty(), states.waiting(0, wait(5, false)));
    }

    @Test
    void whoHasNotComeInTimeIsNamed() {
        states.alive(0, "world 5 world/3.1 9", SECOND);
        states.alive(1, "world 4 world/3.1 9", SECOND);
        states.alive(2, "world 5 world/3.1 9", SECOND);
        assertEquals(
                Optional.of(
                        "rank 1 (pid 1 on host) did not come to all-reduce SUM: rank 0 (pid 0 on host) waited 30.0 s"),
                states.waiting(0, wait(5, true)));
    }

    @Test
    void whenAllHaveComeTheNetworkIsToBlame() {
        for (int rank = 0; rank < 3; rank++) {
            states.alive(rank, "world 5", SECOND);
        }
        assertEquals(
                Optional.of("the data did not come: rank 0 (pid 0 on host) waited 30.0 s in all-reduce SUM"),
                states.waiting(0, wait(5, true)));
    }

    @Test
    void whoHasLeftIsNotWaitedFor() {
        states.alive(0, "world 5", SECOND);
        states.alive(1, "world 5", SECOND);
        states.bye(2);
        assertEquals(
                Optional.of(
                        "rank 2 (pid 2 on host) left the group while rank 0 (pid 0 on host) waited in all-reduce SUM"),
                states.waiting(0, wait(5, false)));
    }

    @Test
    void aLineSaysTheSameOnTheOtherSide() {
        WaitingRank wait = wait(12, true);
        assertEquals(wait, WaitingRank.parse(wait.toLine()));
    }
}
