package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Who waits, for how long, and what becomes of requests that nobody waits for. */
@Timeout(120)
class TurnsTest {

    private static final int LONG = 100;

    @TempDir
    private static Path folder;

    private static CausalLM model;

    @BeforeAll
    static void load() {
        model = CausalLM.load(ServedFiles.model(folder));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static String body(int tokens) {
        ObjectNode body = ServerClient.completion("wait", tokens);
        return body.put("ignore_eos", true).toString();
    }

    private static double metric(ServerClient client, String name) {
        return client.get("/metrics")
                .body()
                .lines()
                .filter(line -> line.startsWith(name + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(name.length() + 1)))
                .findFirst()
                .orElseThrow();
    }

    private static void await(ServerClient client, String name, double value) throws InterruptedException {
        while (metric(client, name) != value) {
            Thread.sleep(10);
        }
    }

    @Test
    void whatFindsTheQueueFullIsToldWhenToComeAgain() {
        try (ModelServer server = ModelServer.builder(model)
                .port(0)
                .limits(ServerLimits.defaults().withMaxRows(1).withMaxQueued(2))
                .start()) {
            ServerClient client = new ServerClient(server);
            List<CompletableFuture<ServerClient.Answer>> answers = new ArrayList<>();
            for (int i = 0; i < 12; i++) {
                answers.add(client.postLater("/v1/completions", body(LONG)));
            }
            int refused = 0;
            for (CompletableFuture<ServerClient.Answer> answer : answers) {
                if (answer.join().status() != 200) {
                    assertEquals(429, answer.join().status(), answer.join().body());
                    assertEquals("rate_limit_error", answer.join().error("type"));
                    assertTrue(answer.join()
                                    .response()
                                    .headers()
                                    .firstValueAsLong("Retry-After")
                                    .getAsLong()
                            > 0);
                    refused++;
                }
            }
            assertTrue(refused > 0 && refused < 12, refused + " of 12");
        }
    }

    @Test
    void tenantsTakeTurns() throws InterruptedException {
        try (ModelServer server = ModelServer.builder(model)
                .port(0)
                .limits(ServerLimits.defaults().withMaxRows(1))
                .apiKeys(ApiKeys.of("much,little"))
                .start()) {
            ServerClient much = new ServerClient(server.address(), "much");
            ServerClient little = new ServerClient(server.address(), "little");
            List<CompletableFuture<ServerClient.Answer>> many = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                many.add(much.postLater("/v1/completions", body(LONG)));
            }
            await(much, "finetune_prompts_waiting", 5);
            assertEquals(200, little.post("/v1/completions", body(2)).status());
            long done = many.stream().filter(CompletableFuture::isDone).count();
            assertTrue(done < 6, "who asks for little waited for all of another's");
            many.forEach(answer -> assertEquals(200, answer.join().status()));
        }
    }

    @Test
    void aRequestThatTakesTooLongEndsWithAnError() {
        try (ModelServer server = ModelServer.builder(model)
                .port(0)
                .limits(ServerLimits.defaults().withRequestTimeout(Duration.ofMillis(100)))
                .start()) {
            ServerClient client = new ServerClient(server);
            String many = ServerClient.completion("x", 500)
                    .put("n", 32)
                    .put("ignore_eos", true)
                    .toString();
            ServerClient.Answer answer = client.post("/v1/completions", many);
            assertEquals(504, answer.status(), answer.body());
            assertEquals("timeout", answer.error("code"));
            String stream = ServerClient.completion("x", 500)
                    .put("n", 32)
                    .put("ignore_eos", true)
                    .put("stream", true)
                    .toString();
            String text = client.post("/v1/completions", stream).body();
            assertTrue(text.contains("\"code\":\"timeout\"") && !text.contains("[DONE]"), text);
        }
    }

    @Test
    void whoGoesAwayStopsTheWork() throws Exception {
        try (ModelServer server = ModelServer.builder(model).port(0).start()) {
            ServerClient client = new ServerClient(server);
            String whole = ServerClient.completion("x", 500)
                    .put("n", 32)
                    .put("ignore_eos", true)
                    .toString();
            String stream = ServerClient.completion("x", 500)
                    .put("n", 32)
                    .put("ignore_eos", true)
                    .put("stream", true)
                    .toString();
            for (String body : List.of(whole, stream)) {
                double before = metric(client, "finetune_requests_abandoned_total");
                try (RawClient gone = new RawClient(server)) {
                    gone.send(RawClient.post("/v1/completions", "", body.length()) + body);
                    await(client, "finetune_rows_running", 32);
                }
                await(client, "finetune_rows_running", 0);
                await(client, "finetune_requests_abandoned_total", before + 1);
            }
        }
    }

    @Test
    void aServerThatStopsAnswersWhatItTookAndNothingMore() throws Exception {
        ModelServer server = ModelServer.builder(model)
                .port(0)
                .limits(ServerLimits.defaults().withMaxRows(2))
                .start();
        ServerClient client = new ServerClient(server);
        List<CompletableFuture<ServerClient.Answer>> answers = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            answers.add(client.postLater("/v1/completions", body(80)));
        }
        await(client, "finetune_requests_running", 6);
        Thread closing = new Thread(server::close);
        closing.start();
        while (client.get("/health/ready").status() == 200) {
            Thread.sleep(1);
        }
        assertEquals(200, client.get("/health/live").status());
        assertEquals(503, client.post("/v1/completions", body(2)).status());
        answers.forEach(answer ->
                assertEquals(200, answer.join().status(), answer.join().body()));
        closing.join();
        assertFalse(closing.isAlive());
        server.close();
    }

    @Test
    void keysAreReadAsSha256sumPrintsThem() throws IOException {
        String hash = "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"; // of "key"
        Path file = folder.resolve("keys");
        Files.writeString(file, "# tenants\n" + hash + "  acme\n\n" + "other: sha256:" + hash.replace('2', '3') + "\n");
        ApiKeys keys = ApiKeys.read(file);
        assertEquals("acme", keys.tenant("key").orElseThrow());
        assertTrue(keys.tenant("Key").isEmpty());
        assertEquals(2, keys.tenants());
        Files.writeString(file, "plain-text-key\n");
        String message =
                assertThrows(UserErrorException.class, () -> ApiKeys.read(file)).getMessage();
        assertTrue(message.contains("line 1") && !message.contains("plain-text-key"), message);
    }

    @Test
    void aPortThatIsTakenAndAFolderThatIsNotThereAreSaid() {
        try (ModelServer server = ModelServer.builder(model).port(0).start()) {
            ModelServer.Builder same = ModelServer.builder(model).port(server.port());
            String message = assertThrows(UserErrorException.class, same::start).getMessage();
            assertTrue(message.startsWith("cannot listen on 127.0.0.1:" + server.port()), message);
        }
        ModelServer.Builder nowhere = ModelServer.builder(model).port(0).adapters(folder.resolve("nowhere"));
        assertTrue(assertThrows(UserErrorException.class, nowhere::start)
                .getMessage()
                .contains("nowhere"));
    }
}
