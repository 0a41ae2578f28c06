package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an earlier request of a tenant computed is not computed again, and everybody can see how much that was. */
class PrefixServingTest {

    private static final String SYSTEM = "You are a friendly assistant who answers in one short sentence. ";

    @TempDir
    private static Path folder;

    private static CausalLM model;
    private static Path adapters;

    @BeforeAll
    static void write() {
        Path base = ServedFiles.model(folder);
        adapters = ServedFiles.adapters(base, folder.resolve("adapters"), 2);
        model = CausalLM.load(base);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static ModelServer start(ServerLimits limits) {
        return ModelServer.builder(model)
                .port(0)
                .adapters(adapters)
                .limits(limits)
                .apiKeys(ApiKeys.of("one,two"))
                .start();
    }

    private static ObjectNode body(String prompt, double temperature) {
        return ServerClient.completion(prompt, 20)
                .put("ignore_eos", true)
                .put("temperature", temperature)
                .put("seed", 5);
    }

    private static ServerClient.Answer ask(ServerClient client, ObjectNode body) {
        ServerClient.Answer answer = client.post("/v1/completions", Json.write(body));
        assertEquals(200, answer.status(), answer.body());
        return answer;
    }

    private static int cached(ServerClient.Answer answer) {
        return cached(answer.json());
    }

    private static int cached(JsonNode answer) {
        JsonNode details = answer.path("usage").path("prompt_tokens_details");
        assertTrue(details.path("cached_tokens").isInt(), answer.toString());
        return details.path("cached_tokens").intValue();
    }

    @Test
    void theAnswerIsTheSameAndSaysHowMuchWasComputedBefore() {
        try (ModelServer plain = start(ServerLimits.defaults().withPrefixBytes(0));
                ModelServer server = start(ServerLimits.defaults())) {
            ServerClient without = new ServerClient(plain.address(), "one");
            ServerClient client = new ServerClient(server.address(), "one");
            ObjectNode first = body(SYSTEM + "Why is the sky blue?", 0);
            ObjectNode second = body(SYSTEM + "What is rain?", 1);
            assertEquals(0, cached(ask(client, first)));
            ServerClient.Answer answer = ask(client, second);
            assertTrue(cached(answer) > 0, answer.body());
            assertEquals(ask(without, second).text(0), answer.text(0));
            ObjectNode next =
                    body(SYSTEM + "What is rain?" + answer.text(0) + " And snow, at the end of a long year?", 1);
            ServerClient.Answer turn = ask(client, next);
            assertEquals(ask(without, next).text(0), turn.text(0));
            assertTrue(cached(turn) >= cached(answer), turn.body());
            assertEquals(0, cached(ask(without, first)));
            String metrics = client.get("/metrics").body();
            assertTrue(metrics.contains("finetune_prefix_hits_total 2.0"), metrics);
            assertTrue(
                    metrics.contains("finetune_prefix_tokens_total " + (double) (cached(answer) + cached(turn))),
                    metrics);
            assertTrue(metrics.lines().anyMatch(line -> line.matches("finetune_prefix_bytes [1-9].*")), metrics);
        }
    }

    @Test
    void aStreamSaysItToo() {
        try (ModelServer server = start(ServerLimits.defaults())) {
            ServerClient client = new ServerClient(server.address(), "one");
            ObjectNode body = body(SYSTEM, 0).put("stream", true);
            body.putObject("stream_options").put("include_usage", true);
            ask(client, body);
            List<JsonNode> events = ask(client, body).events();
            assertTrue(cached(events.get(events.size() - 1)) > 0);
        }
    }

    /** An answer that comes sooner would tell one tenant what another has asked. */
    @Test
    void tenantsShareNothing() {
        try (ModelServer server = start(ServerLimits.defaults())) {
            ObjectNode body = body(SYSTEM, 0);
            assertEquals(0, cached(ask(new ServerClient(server.address(), "one"), body)));
            assertEquals(0, cached(ask(new ServerClient(server.address(), "two"), body)));
            assertTrue(cached(ask(new ServerClient(server.address(), "two"), body)) > 0);
        }
    }

    @Test
    void adaptersAndTheirVersionsShareNothing() throws IOException {
        Path changing = adapters.resolve("changing");
        copy("a0", changing);
        try (ModelServer server = start(ServerLimits.defaults())) {
            ServerClient client = new ServerClient(server.address(), "one");
            for (String name : List.of("a0", "a1", "changing")) {
                ObjectNode load = Json.object().put("name", name).put("path", name);
                assertEquals(200, client.post("/v1/adapters", Json.write(load)).status());
            }
            for (String name : List.of(ServedFiles.NAME, "a0", "a1", "changing")) {
                ObjectNode body = body(SYSTEM, 0).put("model", name);
                assertEquals(0, cached(ask(client, body)), name);
                assertTrue(cached(ask(client, body)) > 0, name);
            }
            copy("a1", changing);
            ServerClient.Answer replaced = ask(client, body(SYSTEM, 0).put("model", "changing"));
            assertEquals(0, cached(replaced));
            assertEquals(ask(client, body(SYSTEM, 0).put("model", "a1")).text(0), replaced.text(0));
        }
    }

    private static void copy(String source, Path target) throws IOException {
        AtomicFiles.writeDirectory(target, directory -> {
            for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
                Files.copy(adapters.resolve(source).resolve(name), directory.resolve(name));
            }
        });
    }
}
