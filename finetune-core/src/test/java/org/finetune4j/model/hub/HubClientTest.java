package org.finetune4j.model.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.hub.FakeHub.Trouble;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Downloads survive what networks and hubs do, and end in the layout of Python's cache. */
@Tag("slow")
class HubClientTest {

    private static final HubRepository REPOSITORY = HubRepository.parse("org/tiny");
    private static final String WEIGHTS = "model.safetensors";

    @TempDir
    Path cache;

    private final FakeHub hub = new FakeHub("org/tiny");
    private final List<Duration> pauses = new CopyOnWriteArrayList<>();
    private final byte[] weights = new byte[20_000];

    @BeforeEach
    void fill() {
        new Random(1).nextBytes(weights);
        hub.files.put("config.json", "{}".getBytes(StandardCharsets.UTF_8));
        hub.files.put("tokenizer.json", "{\"model\": {}}".getBytes(StandardCharsets.UTF_8));
        hub.files.put("pytorch_model.bin", new byte[10]);
        hub.files.put("README.md", new byte[10]);
        hub.files.put(WEIGHTS, weights);
    }

    @AfterEach
    void stop() {
        hub.close();
    }

    private HubClient client() {
        return new HubClient(hub.settings(cache), pauses::add);
    }

    private Path download() {
        return client().download(REPOSITORY, HubProgress.NONE);
    }

    private String refused(Class<? extends UserErrorException> kind) {
        String message = String.valueOf(assertThrows(kind, this::download).getMessage());
        assertEquals(1, message.lines().count(), message);
        assertFalse(message.contains("hf_secret"), message);
        return message;
    }

    private void assertComplete(Path snapshot) throws IOException {
        assertArrayEquals(weights, Files.readAllBytes(snapshot.resolve(WEIGHTS)));
        assertEquals("{}", Files.readString(snapshot.resolve("config.json")));
        assertFalse(hub.requests.contains("LEAKED TOKEN"), "the token went to another host");
        try (Stream<Path> blobs = Files.list(cache.resolve("models--org--tiny/blobs"))) {
            assertTrue(blobs.noneMatch(path -> path.toString().endsWith(".incomplete")));
        }
    }

    @Test
    void theLayoutIsThatOfPython() throws IOException {
        Path snapshot = download();
        assertComplete(snapshot);
        Path repository = cache.resolve("models--org--tiny");
        assertEquals(repository.resolve("snapshots").resolve(FakeHub.COMMIT), snapshot);
        assertEquals(FakeHub.COMMIT, Files.readString(repository.resolve("refs/main")));
        String etag = FakeHub.etag(WEIGHTS, weights);
        assertEquals(Path.of("../../blobs", etag), Files.readSymbolicLink(snapshot.resolve(WEIGHTS)));
        assertTrue(Files.exists(cache.resolve(".locks/models--org--tiny").resolve(etag + ".lock")));
        assertEquals("org/tiny", HubClient.repositoryOf(snapshot).orElse(""));
    }

    @Test
    void onlyWhatIsNeededComesAndOnlyOnce() throws IOException {
        Path snapshot = download();
        assertFalse(Files.exists(snapshot.resolve("pytorch_model.bin")));
        assertFalse(Files.exists(snapshot.resolve("README.md")));
        hub.requests.clear();
        download();
        assertEquals(List.of("GET /api/models/org/tiny/revision/main"), hub.requests);
    }

    @Test
    void aBrokenConnectionIsResumed() throws IOException {
        hub.breaks.add(7000);
        assertComplete(download());
        assertTrue(hub.requests.stream().anyMatch(request -> request.startsWith("RANGE ")), hub.requests.toString());
        assertEquals(2, hub.count("/get/"));
    }

    @Test
    void aServerThatIgnoresRangesIsReadFromTheStart() throws IOException {
        hub.ignoresRange = true;
        hub.breaks.add(7000);
        assertComplete(download());
    }

    @Test
    void anotherProcessGoesOnWhereOneDied() throws IOException {
        Path blobs = Files.createDirectories(cache.resolve("models--org--tiny/blobs"));
        Path part = blobs.resolve(FakeHub.etag(WEIGHTS, weights) + ".finetune4j.incomplete");
        Files.write(part, java.util.Arrays.copyOf(weights, 5000));
        assertComplete(download());
        assertTrue(hub.requests.contains("RANGE 5000"), hub.requests.toString());
    }

    @Test
    void aBadBeginningFromBeforeIsThrownAway() throws IOException {
        Path blobs = Files.createDirectories(cache.resolve("models--org--tiny/blobs"));
        Files.write(blobs.resolve(FakeHub.etag(WEIGHTS, weights) + ".finetune4j.incomplete"), new byte[5000]);
        assertComplete(download());
        assertEquals(2, hub.count("/get/"));
    }

    @Test
    void aConnectionThatAlwaysBreaksIsAnErrorThatKeepsWhatCame() {
        for (int i = 0; i < HubHttp.TRIES + 1; i++) {
            hub.breaks.add(0);
        }
        assertTrue(refused(HubUnreachableException.class).contains("breaks off"));
    }

    @Test
    void aWrongHashIsRefusedAndNotKept() throws IOException {
        byte[] forged = weights.clone();
        forged[100]++;
        hub.forgeries.add(forged);
        assertTrue(refused(UserErrorException.class).contains("another content"));
        assertComplete(download());
    }

    @Test
    void aSlowServerIsWaitedForAndTellsProgress() {
        hub.slow = true;
        List<Long> heard = new CopyOnWriteArrayList<>();
        client().download(REPOSITORY, (file, done, total) -> {
            if (file.equals(WEIGHTS)) {
                assertEquals(weights.length, total);
                heard.add(done);
            }
        });
        assertEquals(weights.length, heard.get(heard.size() - 1));
        assertTrue(heard.size() > 1, heard.toString());
    }

    @ParameterizedTest
    @ValueSource(ints = {500, 502, 503, 504})
    void serverErrorsAreTriedAgain(int status) throws IOException {
        hub.troubles.add(new Trouble(status, Map.of()));
        hub.troubles.add(new Trouble(status, Map.of()));
        assertComplete(download());
        assertEquals(List.of(Duration.ofSeconds(1), Duration.ofSeconds(2)), pauses);
    }

    @Test
    void tooManyRequestsWaitAsLongAsTheHubSays() throws IOException {
        hub.troubles.add(new Trouble(429, Map.of("Retry-After", "17")));
        assertComplete(download());
        assertEquals(List.of(Duration.ofSeconds(17)), pauses);
    }

    @Test
    void serverErrorsWithoutEndAreTold() {
        for (int i = 0; i < HubHttp.TRIES; i++) {
            hub.troubles.add(new Trouble(500, Map.of()));
        }
        assertTrue(refused(UserErrorException.class).contains("status 500"));
    }

    @Test
    void aHubThatIsDownLeavesWhatTheCacheHas() {
        Path snapshot = download();
        for (int i = 0; i < HubHttp.TRIES; i++) {
            hub.troubles.add(new Trouble(503, Map.of()));
        }
        assertEquals(snapshot, download());
    }

    @Test
    void whatComesCompressedIsRefusedByThatName() throws IOException {
        hub.compresses = true;
        assertTrue(refused(UserErrorException.class).contains("compressed (gzip)"));
        hub.compresses = false;
        assertComplete(download());
    }

    @ParameterizedTest
    @ValueSource(ints = {401, 403})
    void whatIsNotAllowedNamesTheToken(int status) {
        hub.troubles.add(new Trouble(status, Map.of()));
        String message = refused(UserErrorException.class);
        assertTrue(message.contains("HF_TOKEN") && message.contains("org/tiny"), message);
    }

    @Test
    void aMissingRepositoryAndAMissingRevisionAreToldApart() {
        String revision = String.valueOf(
                assertThrows(UserErrorException.class, () -> client().download(REPOSITORY.at("v9"), HubProgress.NONE))
                        .getMessage());
        assertTrue(revision.contains("no revision 'v9'"), revision);
        hub.exists = false;
        assertTrue(refused(UserErrorException.class).contains("no repository org/tiny"));
    }

    private static String unresolved(HubClient client, String name) {
        return String.valueOf(assertThrows(UserErrorException.class, () -> client.resolve(name))
                .getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"nowhere", "/no/such/directory", "models/with blank", "../models/tiny", "org/na--me"})
    void aTextThatCanOnlyBeAPathIsNoDirectory(String name) {
        String message = unresolved(client(), name);
        assertTrue(message.startsWith("no directory " + name + ", and it is no name on a hub"), message);
        assertEquals(List.of(), hub.requests);
    }

    @Test
    void aNameThatNobodyHasNamesBothPlaces() {
        hub.exists = false;
        String message = unresolved(client(), "models/tiny");
        assertTrue(message.startsWith("no directory models/tiny, and no repository models/tiny on "), message);
        HubSettings online = hub.settings(cache);
        String offline = unresolved(HubClient.of(new HubSettings(online.endpoint(), null, cache, true)), "models/tiny");
        assertTrue(offline.startsWith("no directory models/tiny, and models/tiny is not in " + cache), offline);
    }

    @Test
    void aHubThatCannotBeReachedIsNotWaitedForLong() {
        HubSettings settings = hub.settings(cache);
        hub.close();
        String message = unresolved(new HubClient(settings, pauses::add), "org/tiny");
        assertTrue(
                message.startsWith("no directory org/tiny, and no repository org/tiny can be had: no answer from "),
                message);
        assertEquals(List.of(Duration.ofSeconds(1)), pauses);
    }

    @Test
    void offlineUsesTheCacheOnly() throws IOException {
        HubSettings online = hub.settings(cache);
        HubClient offline = HubClient.of(new HubSettings(online.endpoint(), null, cache, true));
        String message = String.valueOf(assertThrows(UserErrorException.class, () -> offline.resolve("org/tiny"))
                .getMessage());
        assertTrue(message.contains("HF_HUB_OFFLINE") && message.contains("org/tiny"), message);
        Path snapshot = download();
        hub.requests.clear();
        assertEquals(snapshot, offline.resolve("org/tiny"));
        assertEquals(snapshot, offline.resolve("org/tiny@" + FakeHub.COMMIT));
        assertEquals(List.of(), hub.requests);
    }

    @Test
    void withoutNetworkTheCacheIsUsed() {
        Path snapshot = download();
        hub.close();
        assertEquals(snapshot, download());
    }

    @Test
    void twoAtOnceDownloadOnce() throws IOException {
        hub.slow = true;
        CompletableFuture<Path> other = CompletableFuture.supplyAsync(this::download);
        Path mine = download();
        assertEquals(mine, other.join());
        assertComplete(mine);
        assertEquals(1, hub.count("GET /get/"));
    }

    @Test
    void pathsThatLeadOutAreRefused() {
        hub.files.put("additional_chat_templates/..jinja", new byte[1]);
        download();
        assertThrows(UserErrorException.class, () -> HubFile.checkPath("a/../../b"));
        assertThrows(UserErrorException.class, () -> new HubFile("a", "../b", 1));
    }

    @Test
    void anExistingDirectoryWins() throws IOException {
        Path local = Files.createDirectories(cache.resolve("org/tiny"));
        assertEquals(local, client().resolve(local.toString()));
        assertEquals(List.of(), hub.requests);
    }
}
