package org.finetune4j.rlhf.rewards;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HttpRewardTest {

    private static final List<RewardRequest> ANSWERS = List.of(
            new RewardRequest("p1", "c1", Map.of("answer", 4)), new RewardRequest("p2", "c2", Map.of("answer", 5)));

    private final AtomicInteger asked = new AtomicInteger();
    private final List<String> bodies = new ArrayList<>();
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private HttpServer server;

    private interface Answer {
        void to(HttpExchange exchange, int number) throws IOException;
    }

    @BeforeEach
    void start() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(threads);
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
        threads.shutdownNow();
    }

    private HttpReward reward(Duration timeout, Answer answer) {
        server.createContext("/score", exchange -> {
            try (exchange) {
                synchronized (bodies) {
                    bodies.add(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
                }
                answer.to(exchange, asked.incrementAndGet());
            }
        });
        URI endpoint = URI.create("http://localhost:" + server.getAddress().getPort() + "/score");
        return new HttpReward(
                new HttpRewardOptions(endpoint, timeout, 3, Duration.ofMillis(1), Map.of("Authorization", "Bearer x")));
    }

    private static void send(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
        exchange.getResponseBody().write(body);
    }

    private static String failure(HttpReward reward) {
        String message = assertThrows(UserErrorException.class, () -> reward.scores(ANSWERS))
                .getMessage();
        assertEquals(1, message.lines().count());
        return message;
    }

    @Test
    void promptsAnswersAndColumnsAreSentAndNumbersComeBack() {
        HttpReward reward =
                reward(Duration.ofSeconds(20), (exchange, number) -> send(exchange, 200, "{\"rewards\": [0.5, -1]}"));
        assertArrayEquals(new double[] {0.5, -1}, reward.scores(ANSWERS));
        assertEquals(
                Json.parse(
                        "{\"answer\":[4,5],\"prompts\":[\"p1\",\"p2\"],\"completions\":[\"c1\",\"c2\"]}", "expected"),
                Json.parse(bodies.get(0), "sent"));
    }

    @Test
    void whatFailsIsTriedAgain() {
        HttpReward reward = reward(
                Duration.ofSeconds(20),
                (exchange, number) -> send(exchange, number < 3 ? 503 : 200, number < 3 ? "busy" : "[1, 2]"));
        assertArrayEquals(new double[] {1, 2}, reward.scores(ANSWERS));
        assertEquals(3, asked.get());
    }

    /** The pause that it was told is a millisecond, the one that the service wishes a second. */
    @Test
    void aServiceThatAsksForAPauseHasIt() {
        List<Long> times = new CopyOnWriteArrayList<>();
        HttpReward reward = reward(Duration.ofSeconds(20), (exchange, number) -> {
            times.add(System.nanoTime());
            exchange.getResponseHeaders().set("Retry-After", "1");
            send(exchange, number < 2 ? 429 : 200, number < 2 ? "slow down" : "[1, 2]");
        });
        assertArrayEquals(new double[] {1, 2}, reward.scores(ANSWERS));
        assertTrue(times.get(1) - times.get(0) >= 900_000_000L, times.toString());
    }

    @Test
    void aRequestThatTheServiceCallsWrongIsNotTriedAgain() {
        HttpReward reward = reward(Duration.ofSeconds(20), (exchange, number) -> send(exchange, 401, "who are you?"));
        assertTrue(failure(reward).contains("status 401: who are you?"));
        assertEquals(1, asked.get());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "<html>hello</html>",
                "{}",
                "[1]",
                "[1, null]",
                "[1, \"2\"]",
                "[1, NaN]",
                "[1, 1e999]",
                "{\"rewards\": 3}"
            })
    void nonsenseIsTriedAgainAndThenSaidInOneLine(String nonsense) {
        HttpReward reward = reward(Duration.ofSeconds(20), (exchange, number) -> send(exchange, 200, nonsense));
        assertTrue(failure(reward).contains("(asked 3 times)"));
        assertEquals(3, asked.get());
    }

    @Test
    void anAnswerWithoutEndIsNotReadToItsEnd() {
        HttpReward reward = reward(Duration.ofSeconds(60), (exchange, number) -> {
            exchange.sendResponseHeaders(200, 0);
            byte[] piece = " ".repeat(8192).getBytes(StandardCharsets.UTF_8);
            try {
                for (int i = 0; i < 100_000; i++) {
                    exchange.getResponseBody().write(piece);
                }
            } catch (IOException e) {
                // The client has seen enough.
            }
        });
        assertTrue(failure(reward).contains("too long"));
    }

    @Test
    void aSlowServiceIsNotWaitedForForEver() {
        HttpReward reward = reward(Duration.ofMillis(150), (exchange, number) -> {
            try {
                exchange.sendResponseHeaders(200, 0);
                Thread.sleep(30_000);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        assertTrue(failure(reward).contains("no answer in 0.15 s (asked 3 times)"));
    }

    @Test
    void aServiceThatIsDownIsSaidInOneLine() {
        HttpReward reward = reward(Duration.ofSeconds(20), (exchange, number) -> send(exchange, 200, "[]"));
        server.stop(0);
        assertTrue(failure(reward).contains("cannot be reached"));
    }
}
