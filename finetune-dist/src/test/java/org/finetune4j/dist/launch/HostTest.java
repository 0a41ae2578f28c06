package org.finetune4j.dist.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HostTest {

    @TempDir
    Path directory;

    private List<Host> read(String text) throws Exception {
        return Host.read(Files.writeString(directory.resolve("hosts"), text));
    }

    @Test
    void readsTheFormOfOpenMpi() throws Exception {
        assertEquals(
                List.of(new Host("node1", 8), new Host("10.0.0.2", 1), new Host("node3", 2)),
                read("# all\nnode1 slots=8 max_slots=8\n\n10.0.0.2  # the second\nnode3 slots = 2\n"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "-x slots=1", "node1 slots=0", "node1 slot=2", "node1 node2", "node1 slots=99999999"})
    void refusesOtherLinesWithTheirPlace(String text) {
        UserErrorException e = assertThrows(UserErrorException.class, () -> read(text));
        assertTrue(e.getMessage().contains("hosts"), e.getMessage());
    }

    @Test
    void asksTheAgent() {
        assertEquals(Optional.empty(), new Host("elsewhere", 1).problem(List.of("true")));
        assertEquals(Optional.of("false ended with code 1"), new Host("elsewhere", 1).problem(List.of("false")));
        assertEquals(Optional.empty(), new Host("localhost", 1).problem(List.of("false")));
        assertTrue(new Host("elsewhere", 1).problem(List.of("no-such-agent")).isPresent());
    }

    @Test
    void reportsAreReadAsTheyAreWritten() {
        RankReport report = new RankReport(3, 2, "a <line> of text");
        assertEquals(Optional.of(report), RankReport.parse(report.line()));
        assertEquals(Optional.empty(), RankReport.parse("step 1/4 loss 3"));
    }
}
