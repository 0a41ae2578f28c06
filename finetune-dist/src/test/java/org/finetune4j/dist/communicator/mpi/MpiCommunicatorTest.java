package org.finetune4j.dist.communicator.mpi;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HashMap;
import java.util.Map;
import org.finetune4j.dist.communicator.CommunicatorCase;
import org.finetune4j.dist.communicator.CommunicatorContract;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;

/** Ranks that are processes of this host: for each number of ranks all cases run once, and each test looks at its own. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class MpiCommunicatorTest extends CommunicatorContract {

    private final Map<Integer, Mpirun.Outcome> outcomes = new HashMap<>();

    @BeforeAll
    void needsOpenMpi() {
        Mpirun.assumeInstalled();
    }

    @Override
    protected void run(int ranks, CommunicatorCase contract) {
        Mpirun.Outcome outcome = outcomes.computeIfAbsent(ranks, n -> Mpirun.run(n, ContractRank.class));
        for (int rank = 0; rank < ranks; rank++) {
            assertEquals("ok", outcome.after("CASE " + contract + " " + rank + " "), outcome.text());
        }
        assertEquals(0, outcome.exitCode(), outcome.text());
    }
}
