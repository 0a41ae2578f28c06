package org.finetune4j.dist.communicator.mpi;

import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** When one process comes to a bad end, the others end with its name and the reason, and none is left behind. */
@Tag("slow")
class MpiFailureTest {

    @BeforeAll
    static void needsOpenMpi() {
        Mpirun.assumeInstalled();
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = ';', textBlock = """
            killed         ; rank 1 .*(has died|signal 9)
            stopped        ; TOLD \\d rank \\d in all-reduce( SUM)?: rank 1 \\(pid \\d+ on .*\\) has said nothing for \\d s: it is stopped
            abort          ; TOLD \\d rank \\d in all-reduce( SUM)?: rank 1 \\(.*\\) gave up: no memory left
            left           ; TOLD \\d rank \\d in all-reduce( SUM)?: rank 1 \\(.*\\) left the group while rank \\d .* waited in all-reduce SUM
            other length   ; the ranks do not agree: rank 0 calls all-reduce SUM of 100000 float32, rank 1 calls all-reduce SUM of 5 float32
            other message  ; the ranks do not agree: rank 1 sends 5 int64, rank 0 receives 7 float32
            busy           ; TOLD \\d rank \\d in all-reduce( SUM)?: rank 1 \\(.*\\) did not come to all-reduce SUM: rank \\d .* waited 4.0 s
            silent message ; TOLD \\d rank \\d in receive from rank 1: rank 1 \\(.*\\) did not come to receive from rank 1: rank \\d .* waited 4.0 s
            """)
    void theOthersAreToldAndNobodyIsLeft(String end, String message) {
        // Two are enough where one is told what the other did; ends of processes have to reach several.
        int ranks = Set.of("killed", "stopped", "abort").contains(end) ? 3 : 2;
        Mpirun.Outcome outcome = Mpirun.run(ranks, FailingRank.class, end);
        assertTrue(Pattern.compile(message).matcher(outcome.text()).find(), outcome.text());
        assertNotEquals(0, outcome.exitCode());
        outcome.lines().stream()
                .filter(line -> line.startsWith("PID "))
                .mapToLong(line -> Long.parseLong(line.substring("PID ".length())))
                .forEach(pid -> assertTrue(ends(pid), pid + " is left: " + outcome.text()));
    }

    /** Whether a process is gone soon after mpirun is: it may be about to end. */
    private static boolean ends(long pid) {
        for (int i = 0; i < 100 && ProcessHandle.of(pid).isPresent(); i++) {
            try {
                Thread.sleep(100);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        return ProcessHandle.of(pid).isEmpty();
    }
}
