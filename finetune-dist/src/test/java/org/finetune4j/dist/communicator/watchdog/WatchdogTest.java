package org.finetune4j.dist.communicator.watchdog;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.finetune4j.dist.communicator.CommunicationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A server and its clients in one process. */
@Timeout(60)
class WatchdogTest {

    private static final String SECRET = "0123456789abcdef";
    private static final double SILENCE_SECONDS = 20;

    private final BlockingQueue<String> told = new LinkedBlockingQueue<>();
    private final List<WatchdogClient> clients = new ArrayList<>();
    private WatchdogServer server;

    @BeforeEach
    void start() throws Exception {
        server = WatchdogServer.start(3, SECRET, SILENCE_SECONDS);
        for (int rank = 0; rank < 3; rank++) {
            clients.add(connect(rank, List.of("127.0.0.1"), SECRET));
        }
    }

    private WatchdogClient connect(int rank, List<String> addresses, String secret) {
        return WatchdogClient.connect(
                rank,
                addresses,
                server.port(),
                secret,
                "pid " + rank,
                SILENCE_SECONDS,
                () -> "",
                reason -> told.add(rank + ": " + reason));
    }

    @AfterEach
    void end() {
        clients.forEach(WatchdogClient::close);
        server.close();
    }

    private List<String> reasons(int count) throws InterruptedException {
        List<String> reasons = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            reasons.add(told.poll(30, TimeUnit.SECONDS));
        }
        return reasons.stream().sorted().toList();
    }

    @Test
    void allHearWhyOneGivesUp() throws Exception {
        clients.get(1).abort("no memory left");
        assertEquals(
                List.of(
                        "0: rank 1 (pid 1) gave up: no memory left",
                        "1: rank 1 (pid 1) gave up: no memory left",
                        "2: rank 1 (pid 1) gave up: no memory left"),
                reasons(3));
    }

    @Test
    void theOthersHearOfADeath() throws Exception {
        clients.get(2).close(); // as the system closes the connections of a process that is killed
        assertEquals(List.of("0: rank 2 (pid 2) has died", "1: rank 2 (pid 2) has died"), reasons(2));
    }

    @Test
    void theFirstRanksDeathIsSeenByEachOfTheOthers() throws Exception {
        clients.get(0).close();
        server.close();
        assertTrue(reasons(1).get(0).contains("rank 0"));
    }

    @Test
    void allAreDoneWhenTheLastIs() throws Exception {
        clients.get(0).bye();
        clients.get(1).bye();
        assertEquals(false, clients.get(0).awaitEnd(50));
        clients.get(2).bye();
        for (WatchdogClient client : clients) {
            assertTrue(client.awaitEnd(30_000));
            assertNull(client.failure());
        }
    }

    @Test
    void strangersAreNotHeard() throws Exception {
        try (Socket stranger = new Socket("127.0.0.1", server.port())) {
            OutputStream output = stranger.getOutputStream();
            output.write("HELLO wrong 1 pid 9\nABORT stop all\n".getBytes(StandardCharsets.UTF_8));
            assertEquals(-1, stranger.getInputStream().read()); // it is shown the door
        }
        assertThrows(CommunicationException.class, () -> connect(1, List.of("127.0.0.1"), "wrong"));
        assertNull(clients.get(0).failure());
    }

    @Test
    void addressesAreTriedInTurn() {
        WatchdogClient client = connect(1, List.of("no.such.host.invalid", "127.0.0.1"), SECRET);
        client.close();
        CommunicationException e =
                assertThrows(CommunicationException.class, () -> connect(1, List.of("no.such.host.invalid"), SECRET));
        assertTrue(
                String.valueOf(e.getMessage()).startsWith("rank 1 cannot reach rank 0 at port " + server.port()),
                e.getMessage());
    }
}
