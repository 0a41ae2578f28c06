package org.finetune4j.serve;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.finetune4j.AtomicFiles;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Adapters are loaded, replaced and taken away while the server answers, from one folder only. */
class AdaptersTest {

    private static final int COUNT = 6;

    @TempDir
    private static Path folder;

    private static Path adapters;
    private static CausalLM model;
    private static ModelServer shared;

    @BeforeAll
    static void write() {
        Path base = ServedFiles.model(folder);
        adapters = ServedFiles.adapters(base, folder.resolve("adapters"), COUNT);
        model = CausalLM.load(base);
        shared = start(ServerLimits.defaults());
    }

    @AfterAll
    static void close() {
        shared.close();
        model.close();
    }

    private static ModelServer start(ServerLimits limits) {
        return ModelServer.builder(model)
                .port(0)
                .adapters(adapters)
                .limits(limits)
                .start();
    }

    private static ServerClient.Answer load(ServerClient client, String name, String path) {
        return client.post(
                "/v1/adapters",
                Json.object().put("name", name).put("path", path).toString());
    }

    private static String body(String name, int tokens) {
        return ServerClient.completion("tell", tokens).put("model", name).toString();
    }

    @Test
    void anAdapterIsLoadedListedUsedAndTakenAway() {
        try (ModelServer server = start(ServerLimits.defaults())) {
            ServerClient client = new ServerClient(server);
            assertEquals(404, client.post("/v1/completions", body("legal", 9)).status());
            ServerClient.Answer loaded = load(client, "legal", "a1");
            assertEquals(200, loaded.status(), loaded.body());
            assertTrue(loaded.json().path("bytes").asLong() > 0, loaded.body());
            JsonNode listed = client.get("/v1/adapters").json().path("data");
            assertEquals("legal", listed.path(0).path("id").asText());
            assertEquals("a1", listed.path(0).path("path").asText());
            assertEquals(2, client.get("/v1/models").json().path("data").size());
            ServerClient.Answer answer = client.post("/v1/completions", body("legal", 9));
            assertEquals("legal", answer.json().path("model").asText());
            assertNotEquals(
                    client.post("/v1/completions", body(ServedFiles.NAME, 9)).text(0), answer.text(0));
            assertEquals(200, client.delete("/v1/adapters/legal").status());
            assertEquals(404, client.delete("/v1/adapters/legal").status());
            assertEquals(404, client.post("/v1/completions", body("legal", 9)).status());
            assertTrue(client.get("/metrics").body().contains("finetune_adapters_loaded 0.0"));
        }
    }

    /** Clients and proxies take such parts out of a path: nobody could name or take away the adapter. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "a/", "a//b", "a/./b", "a/../b", "a/..", "/a", "..", ".", "a b", "\u00e9", "-a", "a/-b", "", "tiny"
            })
    void aNameIsOneThatAPathCanHave(String name) {
        ServerClient client = new ServerClient(shared);
        ServerClient.Answer refused = load(client, name, "a0");
        assertEquals(400, refused.status(), refused.body());
        assertEquals("name", refused.error("param"));
        assertEquals(400, load(client, "n".repeat(201), "a0").status());
        assertEquals(400, load(client, "n".repeat(10_000), "a0").status());
    }

    @Test
    void aNameOfPartsIsFoundAndTakenAwayAndTheBaseIsNot() {
        try (ModelServer server = start(ServerLimits.defaults())) {
            ServerClient client = new ServerClient(server);
            assertEquals(200, load(client, "law/v1.2/a_b", "a0").status());
            assertEquals(200, client.get("/v1/models/law/v1.2/a_b").status());
            assertEquals(200, client.delete("/v1/adapters/law/v1.2/a_b").status());
            ServerClient.Answer base = client.delete("/v1/adapters/tiny");
            assertEquals(400, base.status(), base.body());
            assertTrue(base.error("message").contains("base model"), base.body());
        }
    }

    @Test
    void anAdapterWithTheBasesNameIsNotOffered() {
        UserErrorException error = assertThrows(UserErrorException.class, () -> ModelServer.builder(model)
                .port(0)
                .name("a1")
                .adapters(adapters)
                .offerAll(true)
                .start());
        assertTrue(String.valueOf(error.getMessage()).contains("--name"), error.getMessage());
    }

    @Test
    void aTemplateThatFailsDoesNotSayWhereItLies() throws IOException {
        copy("a0", adapters.resolve("divides"));
        Files.writeString(adapters.resolve("divides/chat_template.jinja"), "{{ 1 / 0 }}");
        try (ModelServer server = start(ServerLimits.defaults())) {
            ServerClient client = new ServerClient(server);
            assertEquals(200, load(client, "divides", "divides").status());
            ServerClient.Answer answer = client.post(
                    "/v1/chat/completions",
                    ServerClient.chat("x", 4).put("model", "divides").toString());
            assertEquals(400, answer.status(), answer.body());
            assertTrue(answer.error("message").contains("refuses this: chat_template.jinja: "), answer.body());
        }
    }

    @Test
    void whatIsReadBeforehandIsNotOfferedAndChangesNoAnswer() {
        List<String> answers = new ArrayList<>();
        for (boolean rehearse : List.of(true, false)) {
            try (ModelServer server = ModelServer.builder(model)
                    .port(0)
                    .adapters(adapters)
                    .rehearse(rehearse)
                    .start()) {
                ServerClient client = new ServerClient(server);
                assertEquals(0, client.get("/v1/adapters").json().path("data").size());
                assertEquals(200, load(client, "legal", "a1").status());
                assertTrue(client.get("/metrics").body().contains("finetune_adapters_loaded 1.0"));
                answers.add(client.post("/v1/completions", body("legal", 9)).text(0));
            }
        }
        assertEquals(answers.get(1), answers.get(0));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../adapters/a0",
                "a0/../../adapters/a0",
                "/etc",
                "",
                " ",
                "..",
                "a0/..",
                "\\..\\a0",
                "nothing",
                "a0/adapter_config.json",
                "a0\u0000",
                "out",
                "linked-file"
            })
    void noPathLeadsOutOfTheFolder(String path) throws IOException {
        linkOutside();
        ServerClient.Answer answer = load(new ServerClient(shared), "x", path);
        assertTrue(answer.status() == 400 || answer.status() == 404, answer.body());
        assertEquals("invalid_request_error", answer.error("type"));
        assertFalse(answer.body().contains(folder.toString()), answer.body());
    }

    private static void linkOutside() throws IOException {
        Path outside = folder.resolve("outside");
        if (!Files.exists(outside)) {
            Files.createDirectories(outside);
            for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
                Files.copy(adapters.resolve("a0").resolve(name), outside.resolve(name));
            }
            Files.createSymbolicLink(adapters.resolve("out"), outside);
            Path linked = Files.createDirectories(adapters.resolve("linked-file"));
            Files.copy(outside.resolve("adapter_config.json"), linked.resolve("adapter_config.json"));
            Files.createSymbolicLink(
                    linked.resolve("adapter_model.safetensors"), outside.resolve("adapter_model.safetensors"));
        }
    }

    @Test
    void aPickledOrBrokenAdapterIsRefusedInOneLine() throws IOException {
        Path pickled = Files.createDirectories(adapters.resolve("pickled"));
        Files.copy(adapters.resolve("a0/adapter_config.json"), pickled.resolve("adapter_config.json"));
        Files.writeString(pickled.resolve("adapter_model.bin"), "pickle");
        Path broken = Files.createDirectories(adapters.resolve("broken"));
        Files.copy(adapters.resolve("a0/adapter_config.json"), broken.resolve("adapter_config.json"));
        Files.writeString(broken.resolve("adapter_model.safetensors"), "no tensors");
        Path infinite = Files.createDirectories(adapters.resolve("infinite"));
        Files.copy(adapters.resolve("a0/adapter_config.json"), infinite.resolve("adapter_config.json"));
        byte[] weights = Files.readAllBytes(adapters.resolve("a0/adapter_model.safetensors"));
        ByteBuffer.wrap(weights).order(ByteOrder.LITTLE_ENDIAN).putFloat(weights.length - 4, Float.NaN);
        Files.write(infinite.resolve("adapter_model.safetensors"), weights);
        try (ModelServer server = start(ServerLimits.defaults())) {
            ServerClient client = new ServerClient(server);
            ServerClient.Answer third = load(client, "x", "infinite");
            assertEquals(400, third.status(), third.body());
            assertTrue(third.error("message").contains("NaN or infinite"), third.body());
            ServerClient.Answer first = load(client, "x", "pickled");
            assertEquals(400, first.status(), first.body());
            assertTrue(first.error("message").contains("pickled"), first.body());
            ServerClient.Answer second = load(client, "x", "broken");
            assertEquals(400, second.status(), second.body());
            assertTrue(second.error("message").startsWith("broken"), second.body());
        }
    }

    @Test
    void memoryOfAdaptersHasALimitAndTheOldestOneLeaves() {
        long one;
        try (ModelServer server = start(ServerLimits.defaults())) {
            one = load(new ServerClient(server), "m", "a2").json().path("bytes").asLong();
        }
        try (ModelServer server = start(ServerLimits.defaults().withAdapterBytes(3 * one))) {
            ServerClient client = new ServerClient(server);
            List<String> alone = new ArrayList<>();
            for (int number = 0; number < COUNT; number++) {
                assertEquals(200, load(client, "m" + number, "a" + number).status());
                alone.add(client.post("/v1/completions", body("m" + number, 6)).text(0));
                long bytes = 0;
                for (JsonNode adapter : client.get("/v1/adapters").json().path("data")) {
                    bytes += adapter.path("bytes").asLong();
                }
                assertTrue(bytes <= 3 * one, bytes + " of " + 3 * one);
            }
            List<CompletableFuture<ServerClient.Answer>> all = new ArrayList<>();
            for (int request = 0; request < 4 * COUNT; request++) {
                all.add(client.postLater("/v1/completions", body("m" + request % COUNT, 6)));
            }
            for (int request = 0; request < all.size(); request++) {
                assertEquals(alone.get(request % COUNT), all.get(request).join().text(0), "request " + request);
            }
        }
    }

    /** In memory they take more than on disk. */
    @Test
    void adaptersInHalfPrecisionKeepTheLimitToo() throws IOException {
        for (int number = 0; number < 3; number++) {
            Path half = adapters.resolve("half" + number);
            copy("a0", half);
            try (TensorScope scope = TensorScope.open();
                    SafetensorsFile weights = SafetensorsFile.open(adapters.resolve("a0/adapter_model.safetensors"))) {
                List<SafetensorsWriter.Entry> entries = new ArrayList<>();
                for (String name : weights.names()) {
                    entries.add(SafetensorsWriter.Entry.of(
                            name, weights.tensor(name).to(DType.BFLOAT16)));
                }
                SafetensorsWriter.write(
                        half.resolve("adapter_model.safetensors"), entries, SafetensorsWriter.PYTORCH_METADATA);
            }
        }
        long one;
        try (ModelServer server = start(ServerLimits.defaults())) {
            one = load(new ServerClient(server), "m", "half0")
                    .json()
                    .path("bytes")
                    .asLong();
        }
        long file = Files.size(adapters.resolve("half0/adapter_model.safetensors"));
        assertTrue(one > file, one + " bytes, " + file + " in the file");
        try (ModelServer server = start(ServerLimits.defaults().withAdapterBytes(one + file))) {
            ServerClient client = new ServerClient(server);
            for (int number = 0; number < 3; number++) {
                assertEquals(200, load(client, "m" + number, "half" + number).status());
            }
            long bytes = 0;
            for (JsonNode adapter : client.get("/v1/adapters").json().path("data")) {
                bytes += adapter.path("bytes").asLong();
            }
            assertEquals(one, bytes);
        }
        try (ModelServer server = start(ServerLimits.defaults().withAdapterBytes(one - 1))) {
            ServerClient client = new ServerClient(server);
            ServerClient.Answer refused = load(client, "m", "half0");
            assertEquals(400, refused.status(), refused.body());
            assertTrue(client.get("/metrics").body().contains("finetune_adapters_bytes 0.0"));
        }
    }

    /** Requests run while the files change between two versions, a file at a time: no answer is of neither. */
    @Test
    void anAdapterThatIsReplacedAnswersInOneVersion() throws IOException {
        Path changing = adapters.resolve("changing");
        try (ModelServer server = start(ServerLimits.defaults())) {
            ServerClient client = new ServerClient(server);
            List<String> versions = new ArrayList<>();
            for (String source : List.of("a0", "a1")) {
                assertEquals(200, load(client, source, source).status());
                versions.add(client.post("/v1/completions", body(source, 40)).text(0));
            }
            copy("a0", changing);
            assertEquals(200, load(client, "changing", "changing").status());
            List<CompletableFuture<ServerClient.Answer>> answers = new ArrayList<>();
            for (int turn = 1; turn <= 8; turn++) {
                for (int request = 0; request < 4; request++) {
                    answers.add(client.postLater("/v1/completions", body("changing", 40)));
                }
                copy("a" + turn % 2, changing);
            }
            Set<String> expected = Set.copyOf(versions);
            for (CompletableFuture<ServerClient.Answer> answer : answers) {
                assertEquals(200, answer.join().status(), answer.join().body());
                assertTrue(
                        expected.contains(answer.join().text(0)), answer.join().text(0));
            }
            copy("a1", changing);
            assertEquals(
                    versions.get(1),
                    client.post("/v1/completions", body("changing", 40)).text(0));
        }
    }

    private static void copy(String source, Path target) throws IOException {
        AtomicFiles.writeDirectory(target, directory -> {
            for (String name : List.of("adapter_config.json", "adapter_model.safetensors")) {
                Files.copy(adapters.resolve(source).resolve(name), directory.resolve(name));
            }
        });
    }

    @Test
    void everyAdapterOfTheFolderCanBeOfferedFromTheStart() {
        try (ModelServer server = ModelServer.builder(model)
                .port(0)
                .adapters(adapters)
                .offerAll(true)
                .start()) {
            ServerClient client = new ServerClient(server);
            assertTrue(client.get("/v1/models").json().path("data").size() > COUNT);
            ObjectNode body = ServerClient.chat("x", 4).put("model", "a3");
            assertEquals(
                    200, client.post("/v1/chat/completions", body.toString()).status());
        }
    }
}
