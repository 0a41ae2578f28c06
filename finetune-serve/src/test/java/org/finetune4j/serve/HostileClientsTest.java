package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.memory.ProcessMemory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * Hostile requests of every kind, several at once, beside those of another tenant: right status codes, errors in OpenAI's form, nobody
 * else's words, and afterwards nothing that runs, is open or takes memory. {@code -Dfinetune4j.test.hostile=10000} sends more of them.
 */
@Timeout(3600)
class HostileClientsTest {

    private static final int REQUESTS = Integer.getInteger("finetune4j.test.hostile", 300);
    private static final int THREADS = 4;
    private static final int MOST_BODY = 1 << 18;
    private static final String CANARY = "canary7f3a";
    private static final String MARK = "mark5d21";
    private static final String KEY = "Authorization: Bearer one\r\n";
    private static final List<String> PATHS = List.of(
            "/v1/completions",
            "/v1/completions",
            "/v1/chat/completions",
            "/v1/chat/completions",
            "/v1/adapters",
            "/v1/models");
    private static final List<String> ESCAPES = List.of(
            "/v1/../../etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/v1/adapters/..%2f..%2fetc",
            "/v1/models/%00",
            "/v1/models/%ff%fe",
            "/v1/runs/../../x",
            "//etc//passwd",
            "/v1/adapters/%c0%ae%c0%ae/x",
            "/\\..\\..\\windows",
            "/v1/models/" + "a/".repeat(3000));
    private static final List<String> FIELDS = List.of(
            "model",
            "prompt",
            "messages",
            "max_tokens",
            "temperature",
            "top_p",
            "n",
            "seed",
            "stop",
            "stream",
            "logprobs",
            "tools",
            "top_k",
            "min_p",
            "stream_options",
            "chat_template_kwargs",
            "response_format",
            "path",
            "name");
    private static final List<String> VALUES = List.of(
            "null",
            "true",
            "-1",
            "0",
            "1e308",
            "-1e308",
            "9223372036854775808",
            "\"\"",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "[]",
            "{}",
            "[[[]]]",
            "[null]",
            "[-1]",
            "[99999999999]",
            "{\"a\": {\"b\": []}}",
            "\"../../etc/passwd\"",
            "[{}]",
            "0.1",
            "[[], []]",
            "\"" + "x".repeat(5000) + "\"");

    @TempDir
    private static Path folder;

    private final Map<String, Integer> statuses = new TreeMap<>();

    /** One request that nobody in good faith would send; what came back, or nothing where the connection was closed. */
    private static String send(ModelServer server, Random random) throws IOException {
        try (RawClient raw = new RawClient(server)) {
            String path = PATHS.get(random.nextInt(PATHS.size()));
            String body = body(random);
            switch (random.nextInt(14)) {
                case 0 -> raw.send(post(path, fuzzed(body, random).getBytes(StandardCharsets.UTF_8)));
                case 1 -> {
                    byte[] noText = body.getBytes(StandardCharsets.UTF_8);
                    noText[random.nextInt(noText.length)] = (byte) (128 + random.nextInt(128));
                    raw.send(post(path, noText));
                }
                case 2 -> {
                    String deep = (random.nextBoolean() ? "[" : "{\"a\":").repeat(1 + random.nextInt(30_000));
                    raw.send(post(path, ("{\"prompt\":" + deep).getBytes(StandardCharsets.UTF_8)));
                }
                case 3 -> raw.send(post(path, new byte[MOST_BODY + random.nextInt(MOST_BODY)]));
                case 4 -> {
                    String end = random.nextBoolean() ? "0\r\n\r\n" : "zz\r\n";
                    String chunk = "4000\r\n" + "x".repeat(0x4000) + "\r\n";
                    raw.send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + KEY + "Transfer-Encoding: chunked\r\n\r\n"
                            + chunk.repeat(random.nextInt(20)) + end);
                }
                case 5 -> {
                    String method = List.of("GET", "DELETE", "POST", "PUT", "TRACE", "CONNECT", "OPTIONS")
                            .get(random.nextInt(7));
                    raw.send(method + " " + ESCAPES.get(random.nextInt(ESCAPES.size())) + " HTTP/1.1\r\nHost: x\r\n"
                            + KEY + "Content-Length: 0\r\nConnection: close\r\n\r\n");
                }
                case 6 ->
                    raw.send(RawClient.post(path, KEY, body.length() + 100) + body)
                            .finishSending();
                case 7 ->
                    raw.send(post(path, body.getBytes(StandardCharsets.UTF_8))).finishSending();
                case 8 -> {
                    raw.send(post(path, body.getBytes(StandardCharsets.UTF_8)));
                    return ""; // gone without waiting
                }
                case 9 -> {
                    String flood = random.nextBoolean()
                            ? "X-A: b\r\n".repeat(200 + random.nextInt(5000))
                            : "X-A: " + "b".repeat(random.nextInt(60_000)) + "\r\n";
                    raw.send("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + KEY + flood + "Content-Length: 0\r\n\r\n");
                }
                case 10 -> {
                    byte[] garbage = new byte[1 + random.nextInt(2000)];
                    random.nextBytes(garbage);
                    raw.send(garbage).finishSending();
                }
                case 11 -> {
                    byte[] whole = post(path, body.getBytes(StandardCharsets.UTF_8));
                    int cut = random.nextInt(whole.length);
                    raw.send(Arrays.copyOf(whole, cut));
                    sleep(random.nextInt(30)); // slow, and then never more
                    if (random.nextBoolean()) {
                        return "";
                    }
                    raw.send(Arrays.copyOfRange(whole, cut, whole.length));
                }
                case 12 -> {
                    String wrong = List.of(
                                    "",
                                    "Authorization: Bearer \r\n",
                                    "Authorization: Bearer onetwo\r\n",
                                    "Authorization: Basic b25l\r\n",
                                    "Authorization: Bearer " + "k".repeat(8000) + "\r\n")
                            .get(random.nextInt(5));
                    raw.send(RawClient.post(path, wrong, body.length()) + body);
                }
                default -> {
                    String field = FIELDS.get(random.nextInt(FIELDS.size()));
                    String value = VALUES.get(random.nextInt(VALUES.size()));
                    String one = body.substring(0, body.length() - 1) + ",\"" + field + "\":" + value + "}";
                    String other = body.replaceFirst(
                            "\"max_tokens\":\\d+", "\"" + field + "\":" + Matcher.quoteReplacement(value));
                    raw.send(post(path, (random.nextBoolean() ? one : other).getBytes(StandardCharsets.UTF_8)));
                }
            }
            return raw.answer();
        }
    }

    private static void sleep(int millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static byte[] post(String path, byte[] body) {
        byte[] head =
                RawClient.post(path, KEY + "Connection: close\r\n", body.length).getBytes(StandardCharsets.UTF_8);
        byte[] all = Arrays.copyOf(head, head.length + body.length);
        System.arraycopy(body, 0, all, head.length, body.length);
        return all;
    }

    private static String body(Random random) {
        ObjectNode body = random.nextBoolean() ? ServerClient.chat(MARK, 3) : ServerClient.completion(MARK, 3);
        return Json.write(body.put("stream", random.nextInt(3) == 0).put("n", 1 + random.nextInt(3)));
    }

    private static String fuzzed(String body, Random random) {
        StringBuilder text = new StringBuilder(body);
        for (int change = random.nextInt(4); change >= 0; change--) {
            int at = random.nextInt(text.length());
            switch (random.nextInt(3)) {
                case 0 -> text.deleteCharAt(at);
                case 1 -> text.insert(at, "{}[]\":,-\\0e".charAt(random.nextInt(11)));
                default -> text.setCharAt(at, (char) (32 + random.nextInt(95)));
            }
        }
        return text.toString();
    }

    private void check(String answer) {
        assertFalse(answer.contains(CANARY), answer);
        if (answer.isEmpty()) {
            count("closed");
            return;
        }
        assertTrue(answer.matches("(?s)HTTP/1\\.1 [1-5]\\d\\d.*"), answer);
        String last = answer;
        while (last.startsWith("HTTP/1.1 1")) { // whoever has closed one half is asked whether he is still there
            last = last.substring(last.indexOf("\r\n\r\n") + 4);
        }
        if (last.isEmpty()) {
            count("closed");
            return;
        }
        String status = last.substring(9, 12);
        count(status);
        assertTrue(
                status.startsWith("2") || status.startsWith("4") || status.equals("501") || status.equals("505"),
                answer);
        int from = last.indexOf("{\"error\"");
        if (status.startsWith("4") && last.contains("application/json")) {
            assertTrue(from > 0, answer);
            JsonNode error = Json.parse(last.substring(from, last.lastIndexOf('}') + 1), "answer")
                    .path("error");
            assertTrue(error.path("message").isTextual() && error.path("type").isTextual(), answer);
            assertTrue(error.path("message").textValue().length() < 2000, answer);
        }
    }

    private synchronized void count(String status) {
        statuses.merge(status, 1, Integer::sum);
    }

    private static int openFiles() {
        String[] open = new File("/proc/self/fd").list();
        return open == null ? 0 : open.length;
    }

    private static void awaitIdle(ServerClient client) throws InterruptedException {
        String metrics = "";
        for (int look = 0; look < 600; look++) {
            metrics = client.get("/metrics").body();
            if (metrics.contains("finetune_requests_running 0.0") && metrics.contains("finetune_rows_running 0.0")) {
                return;
            }
            Thread.sleep(100);
        }
        throw new AssertionError("requests that nobody sends are still there: " + metrics);
    }

    @Test
    void hostileRequestsEndNothingTellNothingAndLeaveNothing() throws Exception {
        Path base = ServedFiles.model(folder);
        ServerLimits limits = ServerLimits.defaults()
                .withMaxBodyBytes(MOST_BODY)
                .withMaxQueued(64)
                .withPrefixBytes(1 << 20);
        try (CausalLM model = CausalLM.load(base);
                ModelServer server = ModelServer.builder(model)
                        .port(0)
                        .adapters(ServedFiles.adapters(base, folder.resolve("adapters"), 1))
                        .limits(limits)
                        .apiKeys(ApiKeys.of("one,two"))
                        .start()) {
            ServerClient other = new ServerClient(server.address(), "two");
            attack(server, other, 17, REQUESTS / 5); // what is made once
            awaitIdle(other);
            long before = ProcessMemory.residentBytes();
            int open = openFiles();
            attack(server, other, 18, REQUESTS - REQUESTS / 5);
            awaitIdle(other);
            long grown = ProcessMemory.residentBytes() - before;
            System.out.println("hostile requests: " + statuses + ", resident " + (before >> 20) + " MiB before, "
                    + (grown >> 20) + " more after, files open " + open + " and " + openFiles());
            assertTrue(grown < 200L << 20, (grown >> 20) + " MiB more");
            assertTrue(openFiles() < open + 100, openFiles() + " files open, " + open + " before");
            assertTrue(statuses.size() > 5, statuses.toString());
            String metrics = other.get("/metrics").body();
            assertFalse(metrics.contains(CANARY) || metrics.contains(MARK), metrics);
        }
    }

    private void attack(ModelServer server, ServerClient other, int seed, int requests) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        try {
            List<Future<Void>> done = new ArrayList<>();
            for (int thread = 0; thread < THREADS; thread++) {
                Random random = new Random(seed * 31L + thread);
                done.add(threads.submit(() -> {
                    for (int i = 0; i < requests / THREADS; i++) {
                        check(send(server, random));
                    }
                    return null;
                }));
            }
            for (int i = 0; i < requests / 20; i++) {
                String body =
                        Json.write(ServerClient.completion(CANARY + " " + i, 3).put("n", 2));
                ServerClient.Answer answer = other.post("/v1/completions", body);
                assertTrue(answer.status() == 200 || answer.status() == 429, answer.status() + ": " + answer.body());
                assertFalse(answer.body().contains(MARK), answer.body());
            }
            for (Future<Void> each : done) {
                each.get();
            }
            assertEquals(200, other.get("/health/ready").status());
        } finally {
            threads.shutdownNow();
        }
    }
}
