package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever is sent, the server says what is wrong in OpenAI's form, tells nobody about others, and goes on. */
class HostileRequestsTest {

    private static final String CANARY = "canary7f3a";
    private static final int FUZZED = Integer.getInteger("finetune4j.test.requests", 400);

    @TempDir
    private static Path folder;

    private static CausalLM model;
    private static ModelServer server;
    private static ServerClient client;

    @BeforeAll
    static void start() {
        Path base = ServedFiles.model(folder);
        model = CausalLM.load(base);
        server = ModelServer.builder(model)
                .port(0)
                .adapters(ServedFiles.adapters(base, folder.resolve("adapters"), 1))
                .limits(ServerLimits.defaults().withMaxBodyBytes(1 << 18).withMaxQueued(16))
                .apiKeys(ApiKeys.of("one,two"))
                .start();
        client = new ServerClient(server.address(), "one");
    }

    @AfterAll
    static void stop() {
        server.close();
        model.close();
    }

    @AfterEach
    void theServerGoesOn() throws InterruptedException {
        String body = ServerClient.completion("hello", 3).toString();
        ServerClient.Answer answer = client.post("/v1/completions", body);
        for (int again = 0; again < 100 && answer.status() == 429; again++) {
            Thread.sleep(100);
            answer = client.post("/v1/completions", body);
        }
        assertEquals(200, answer.status(), answer.body());
    }

    private static void assertRefused(ServerClient.Answer answer) {
        assertTrue(answer.status() >= 400 && answer.status() < 500, answer.status() + ": " + answer.body());
        JsonNode error = answer.json().path("error");
        assertTrue(error.path("message").isTextual() && error.path("type").isTextual(), answer.body());
        assertTrue(error.has("param") && error.has("code"), answer.body());
        assertTrue(error.path("message").textValue().length() < 2000, answer.body());
        assertFalse(error.path("message").textValue().contains("\n"), answer.body());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "null",
                "[]",
                "5",
                "\"x\"",
                "{",
                "}",
                "{\"a\":}",
                "{'a': 1}",
                "{\"prompt\": \"x\"",
                "NaN",
                "\u0000",
                "{\"prompt\": \"x\", \"prompt\": \"y\"}",
                "{\"prompt\": \"x\"} {}",
                "{\"prompt\": 1e999}",
                "{\"messages\": {}}",
                "{\"messages\": [[]]}",
                "{\"messages\": [{\"role\": 5}]}",
                "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}",
                "{\"messages\": [{\"role\": \"user\", \"content\": {}}]}",
                "{\"messages\": [{\"role\": \"user\"}]}",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tools\": [{\"type\": \"code\"}]}",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"tool_choice\": \"required\"}",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}], \"functions\": []}"
            })
    void bodiesThatAreNoRequestsAreRefused(String body) {
        assertRefused(client.post("/v1/chat/completions", body));
        assertRefused(client.post("/v1/completions", body));
        assertRefused(client.post("/v1/adapters", body));
    }

    @Test
    void deepNestingHugeBodiesAndNumbersEndNothing() {
        assertRefused(client.post("/v1/completions", "[".repeat(100_000)));
        assertRefused(client.post("/v1/completions", "{\"a\":".repeat(20_000)));
        ServerClient.Answer huge = client.post("/v1/completions", "{\"prompt\": \"" + "a".repeat(1 << 19) + "\"}");
        assertEquals(413, huge.status(), huge.body());
        assertRefused(huge);
        assertRefused(client.post("/v1/completions", "{\"prompt\": \"x\", \"max_tokens\": " + "9".repeat(5000) + "}"));
        assertRefused(client.post("/v1/completions", "{\"prompt\": \"" + "word ".repeat(40_000) + "\"}"));
    }

    @Test
    void textThatIsNoUnicodeEndsNothing() {
        byte[] invalid = "{\"prompt\": \"a#b\", \"max_tokens\": 2}".getBytes(StandardCharsets.UTF_8);
        invalid[13] = (byte) 0xff;
        assertRefused(client.send(client.request("/v1/completions")
                .POST(HttpRequest.BodyPublishers.ofByteArray(invalid))
                .build()));
        ServerClient.Answer alone =
                client.post("/v1/completions", "{\"prompt\": \"a\\ud800b \\u0000 \\udc00\", \"max_tokens\": 2}");
        assertEquals(200, alone.status(), alone.body());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/../v1/models", "/v1/%2e%2e/models", "/v1//models", "/v1/models/%00", "/%2e%2e/%2e%2e/etc/passwd",
                "/v1/completions/x", "/favicon.ico", "/v1/adapters/..%2f..%2fx", "/v1/models/a;b=c", "/v1/runs/x"
            })
    void pathsThatLeadNowhereAreNotFound(String path) throws IOException {
        try (RawClient raw = new RawClient(server)) {
            String answer = raw.send("GET " + path
                            + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer one\r\nConnection: close\r\n\r\n")
                    .answer();
            assertTrue(answer.startsWith("HTTP/1.1 4"), answer);
            assertTrue(answer.contains("{\"error\":{\"message\":"), answer);
        }
    }

    @Test
    void whatIsNoHttpIsRefused() throws IOException {
        List<String> lines = List.of(
                "GARBAGE\r\n\r\n",
                "GET / HTTP/9.9\r\n\r\n",
                "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
                "POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
                "GET / HTTP/1.1\r\nHost: x\r\n" + "X-A: b\r\n".repeat(5000) + "\r\n",
                "GET /" + "a".repeat(40_000) + " HTTP/1.1\r\nHost: x\r\n\r\n");
        for (String line : lines) {
            try (RawClient raw = new RawClient(server)) {
                String answer = raw.send(line).finishSending().answer();
                assertTrue(answer.isEmpty() || answer.matches("(?s)HTTP/1\\.1 [45]\\d\\d.*"), answer);
            }
        }
    }

    @Test
    void halfClosedAndAbandonedConnectionsEndNothing() throws IOException {
        String body = ServerClient.completion("half", 6).toString();
        String key = "Authorization: Bearer one\r\n";
        try (RawClient half = new RawClient(server)) {
            String answer = half.send(RawClient.post("/v1/completions", key, body.length()) + body)
                    .finishSending()
                    .answer();
            assertTrue(answer.contains("HTTP/1.1 200"), answer);
        }
        for (int i = 0; i < 30; i++) {
            try (RawClient gone = new RawClient(server)) {
                gone.send(RawClient.post("/v1/completions", key, 1000) + "{\"pro");
            }
            try (RawClient gone = new RawClient(server)) {
                gone.send(RawClient.post("/v1/completions", key, body.length()) + body);
            }
        }
    }

    @Test
    void aKeyIsNeededForEverythingButHealth() {
        ServerClient stranger = new ServerClient(server.address(), "three");
        for (String path : List.of("/v1/models", "/v1/adapters", "/v1/models/tiny")) {
            assertEquals(401, stranger.get(path).status());
            assertEquals("invalid_api_key", stranger.get(path).error("code"));
        }
        assertEquals(401, stranger.post("/v1/completions", "{").status());
        assertEquals(401, stranger.delete("/v1/adapters/x").status());
        assertEquals(200, stranger.get("/health/live").status());
        assertEquals(200, stranger.get("/health/ready").status());
    }

    @Test
    void pagesFromElsewhereMayNotAsk() throws IOException {
        try (RawClient raw = new RawClient(server)) {
            String answer = raw.send(RawClient.post(
                                    "/v1/completions",
                                    "Origin: http://evil.example\r\nAuthorization: Bearer one\r\nConnection: close\r\n",
                                    2)
                            + "{}")
                    .answer();
            assertTrue(answer.startsWith("HTTP/1.1 403"), answer);
        }
    }

    /** Bodies with one or several places changed, beside those of another tenant, whose words must stay with him. */
    @Test
    void fuzzedRequestsGetAnAnswerInTheRightFormAndNobodyElsesWords() {
        ServerClient other = new ServerClient(server.address(), "two");
        Random random = new Random(17);
        List<CompletableFuture<ServerClient.Answer>> others = new ArrayList<>();
        for (int i = 0; i < FUZZED; i++) {
            boolean chat = random.nextBoolean();
            String path = chat ? "/v1/chat/completions" : "/v1/completions";
            ObjectNode body = chat ? ServerClient.chat("hello there", 3) : ServerClient.completion("hello there", 3);
            body.put("seed", i).put("stream", random.nextInt(4) == 0).put("n", 1 + random.nextInt(2));
            body.putArray("stop").add("zz");
            ServerClient.Answer answer = client.post(path, fuzzed(Json.write(body), random));
            if (answer.status() == 200) {
                assertTrue(answer.body().startsWith("{\"id\"") || answer.body().startsWith("data: "), answer.body());
            } else {
                assertRefused(answer);
            }
            assertFalse(answer.body().contains(CANARY), answer.body());
            if (i % 10 == 0) {
                others.add(other.postLater(
                        "/v1/completions",
                        ServerClient.completion(CANARY + " " + i, 3).toString()));
            }
        }
        others.forEach(answer ->
                assertEquals(200, answer.join().status(), answer.join().body()));
        assertFalse(client.get("/metrics").body().contains(CANARY));
    }

    private static String fuzzed(String body, Random random) {
        StringBuilder text = new StringBuilder(body);
        String[] pieces = {
            "{", "}", "[", "]", "\"", ":", ",", "-", "1e9", "null", "true", "\\u0000", "é", "\uD83D\uDE00", " "
        };
        for (int change = random.nextInt(4); change >= 0; change--) {
            int at = random.nextInt(text.length());
            switch (random.nextInt(4)) {
                case 0 -> text.deleteCharAt(at);
                case 1 -> text.insert(at, pieces[random.nextInt(pieces.length)]);
                case 2 -> text.setCharAt(at, (char) (32 + random.nextInt(95)));
                default ->
                    text.replace(
                            at,
                            Math.min(text.length(), at + random.nextInt(12)),
                            pieces[random.nextInt(pieces.length)]);
            }
            if (text.isEmpty()) {
                text.append(' ');
            }
        }
        return text.toString();
    }
}
