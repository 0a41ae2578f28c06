package org.finetune4j.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** When the threads inside an operation spin, and when they sleep. */
class SharedProcessorsTest {

    private static final List<String> STAT = List.of(
            "cpu  900 80 70 5000 40 30 20 0 0 0",
            "cpu0 100 10 20 1000 5 3 2 0 0 0",
            "cpu1 200 20 30 1000 5 3 2 0 0 0",
            "cpu2 600 50 20 1000 5 3 2 0 0 0",
            "intr 12345 0 0");

    private static final String SELF = "77 (a (strange) name) S 1 77 77 0 -1 4194560 1 0 0 0 40 10 0 0 20 0 5 0 100";

    private static CpuUse reading(int seconds, double others, double own, int processors) {
        return new CpuUse(
                Math.round(100 * seconds * (others + own)),
                Math.round(100 * seconds * own),
                100L * seconds,
                processors);
    }

    @Test
    void countsOnlyTheProcessorsThatThisProcessMayUse() {
        CpuUse use = CpuUse.of(STAT, SELF, List.of("Name:\tjava", "Cpus_allowed_list:\t0-1"), 500);
        assertEquals(new CpuUse(135 + 255, 50, 500, 2), use);
        assertEquals(
                135 + 675,
                CpuUse.of(STAT, SELF, List.of("Cpus_allowed_list:\t0,2"), 500).all());
    }

    @Test
    void tellsOthersWorkFromItsOwn() {
        CpuUse start = new CpuUse(1000, 400, 10_000, 4);
        CpuUse later = new CpuUse(1600, 700, 10_100, 4);
        assertEquals(3.0, later.othersSince(start), 1e-9);
        assertEquals(0.0, start.othersSince(start), 1e-9);
    }

    @Test
    void ownWorkAloneIsNoReasonToSleep() {
        SharedProcessors processors = new SharedProcessors(2);
        assertFalse(processors.areShared(reading(0, 0, 2, 2), reading(1, 0, 2, 2)));
    }

    @Test
    void aBusyProcessorIsNoticedAndForgottenAfterSomeQuietPeriods() {
        SharedProcessors processors = new SharedProcessors(2);
        CpuUse start = reading(0, 1, 1, 2);
        assertTrue(processors.areShared(start, reading(1, 1, 1, 2)));
        for (int period = 1; period < 4; period++) {
            assertTrue(processors.areShared(start, reading(1, 0, 2, 2)), "period " + period);
        }
        assertFalse(processors.areShared(start, reading(1, 0, 2, 2)));
    }

    @Test
    void processorsThatOurThreadsLeaveFreeMayBeBusy() {
        SharedProcessors processors = new SharedProcessors(2);
        assertFalse(processors.areShared(reading(0, 2, 2, 4), reading(1, 2, 2, 4)));
        assertTrue(processors.areShared(reading(0, 3, 1, 4), reading(1, 3, 1, 4)));
    }

    /** Such a team counts no further, however many there are. */
    @Test
    void oneThreadIsNoTeam() {
        assertThrows(IllegalArgumentException.class, () -> SharedProcessors.IdleTeams.start(1, 2));
    }

    @Test
    void idleTeamsComeAndGo() throws InterruptedException {
        Torch.ensureLoaded();
        try (SharedProcessors.IdleTeams teams = SharedProcessors.IdleTeams.start(2, 4)) {
            assertEquals(3, teams.size()); // with the working team's two: five threads on four processors
            assertTrue(teams.isAlive());
            teams.close();
            teams.join();
            assertFalse(teams.isAlive());
        }
    }
}
