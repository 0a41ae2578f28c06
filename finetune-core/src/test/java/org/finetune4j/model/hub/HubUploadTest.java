package org.finetune4j.model.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A folder becomes one commit: small files in it, large ones in storage. */
class HubUploadTest {

    private static final HubRepository REPOSITORY = HubRepository.parse("org/mine");

    @TempDir
    Path directory;

    private final FakeHub hub = new FakeHub("org/mine");
    private final byte[] weights = new byte[2500];
    private Path folder = Path.of("");

    @BeforeEach
    void prepare() throws IOException {
        folder = Files.createDirectories(directory.resolve("adapter"));
        new Random(1).nextBytes(weights);
        Files.write(folder.resolve("adapter_model.safetensors"), weights);
        Files.writeString(
                folder.resolve("adapter_config.json"),
                "{\"peft_type\": \"LORA\", \"r\": 8, \"base_model_name_or_path\": \"org/base\"}");
        Files.writeString(folder.resolve("notes.log"), "the hub ignores this");
        Files.createDirectories(folder.resolve("checkpoint-5"));
        Files.writeString(folder.resolve("checkpoint-5/optimizer.bin"), "state");
        Files.writeString(folder.resolve(".hidden"), "secret");
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    private String push(HubSettings settings) {
        HubClient client = new HubClient(settings, duration -> {});
        return HubUpload.to(client, REPOSITORY, HubProgress.NONE).push(folder, true, "Add an adapter");
    }

    @Test
    void theCommitHasAllThatBelongs() {
        String address = push(hub.settings(directory.resolve("cache")));
        assertTrue(address.endsWith(FakeHub.COMMIT), address);
        assertEquals("mine", hub.created.get(0).path("name").asText());
        assertTrue(hub.created.get(0).path("private").asBoolean());
        assertEquals(4, hub.commitLines.size(), hub.commitLines.toString());
        assertEquals(
                "Add an adapter", hub.commitLines.get(0).at("/value/summary").asText());
        String oid = FakeHub.etag("x.safetensors", weights);
        assertEquals("lfsFile", hub.commitLines.get(2).path("key").asText());
        assertEquals(oid, hub.commitLines.get(2).at("/value/oid").asText());
        assertArrayEquals(weights, hub.stored.get("/put/" + oid));
        assertEquals(1, hub.count("/verify/"));
        assertFalse(hub.requests.contains("LEAKED TOKEN"));
    }

    @Test
    void theModelCardSaysWhereItComesFrom() {
        push(hub.settings(directory.resolve("cache")));
        String card = hub.committed("README.md");
        for (String part :
                new String[] {"base_model: org/base\n", "library_name: peft", "- lora\n", "# mine", "`r`: 8"}) {
            assertTrue(card.contains(part), card);
        }
        assertFalse(Files.exists(folder.resolve("README.md")));
    }

    @Test
    void aCardOfOnesOwnIsKept() throws IOException {
        Files.writeString(folder.resolve("README.md"), "mine");
        push(hub.settings(directory.resolve("cache")));
        assertEquals("mine", hub.committed("README.md"));
    }

    @Test
    void largeFilesGoInPartsWhereTheHubAsks() {
        hub.inParts = true;
        push(hub.settings(directory.resolve("cache")));
        String oid = FakeHub.etag("x.safetensors", weights);
        for (int part = 1; part <= 3; part++) {
            byte[] expected = Arrays.copyOfRange(weights, (part - 1) * 1000, Math.min(2500, part * 1000));
            assertArrayEquals(expected, hub.stored.get("/put/" + oid + "/" + part));
        }
        assertEquals(1, hub.count("/complete/"));
    }

    @ParameterizedTest
    @ValueSource(ints = {401, 403})
    void aTokenThatMayNotWriteIsToldSo(int status) {
        hub.troubles.add(new FakeHub.Trouble(status, Map.of("X-Error-Message", "Invalid username or password.")));
        String message = String.valueOf(assertThrows(UserErrorException.class, () -> push(hub.settings(directory)))
                .getMessage());
        assertTrue(message.contains("may write") && message.contains("Invalid username"), message);
        assertFalse(message.contains("hf_secret"), message);
    }

    @Test
    void branchesAreMadeButNotThoseOfPullRequests() {
        HubClient client = new HubClient(hub.settings(directory), duration -> {});
        HubUpload.to(client, REPOSITORY.at("refs/pr/1"), HubProgress.NONE).push(folder, true, "more");
        assertEquals(0, hub.count("/branch/"));
        assertEquals(1, hub.count("/commit/refs%2Fpr%2F1"));
        HubUpload.to(client, REPOSITORY.at("next"), HubProgress.NONE).push(folder, true, "more");
        assertEquals(1, hub.count("/branch/next"));
    }

    @Test
    void withoutATokenNothingIsSent() {
        HubSettings nobody = new HubSettings(hub.endpoint(), null, directory.resolve("cache"), false);
        assertTrue(String.valueOf(assertThrows(UserErrorException.class, () -> push(nobody))
                        .getMessage())
                .contains("HF_TOKEN"));
        assertTrue(hub.requests.isEmpty());
    }
}
