package org.finetune4j.model.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whatever a hub answers, a download ends, and what it did not announce is not kept. */
@Tag("slow")
class HostileHubTest {

    private static final String COMMIT = FakeHub.COMMIT;
    private static final String LISTING =
            "{\"sha\": \"" + COMMIT + "\", \"siblings\": [{\"rfilename\": \"model.safetensors\"}]}";

    @TempDir
    Path cache;

    private final List<String> requests = new CopyOnWriteArrayList<>();
    private final ServerSocket server = listen();
    private volatile Answer listing = out -> send(out, LISTING);
    private volatile Answer description =
            out -> write(out, "HTTP/1.1 200 OK\r\nETag: \"abc\"\r\nContent-Length: 100\r\n\r\n");
    private volatile Answer content = out -> send(out, "x".repeat(100));

    private interface Answer {
        void to(OutputStream out) throws IOException;
    }

    private ServerSocket listen() {
        try {
            ServerSocket socket = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
            Thread thread = new Thread(() -> serve(socket), "hostile-hub");
            thread.setDaemon(true);
            thread.start();
            return socket;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void serve(ServerSocket socket) {
        while (!socket.isClosed()) {
            try (Socket client = socket.accept()) {
                var in = new BufferedReader(new InputStreamReader(client.getInputStream(), StandardCharsets.US_ASCII));
                String request = in.readLine();
                for (String line = request; line != null && !line.isEmpty(); line = in.readLine()) {
                    continue;
                }
                requests.add(String.valueOf(request));
                Answer answer = String.valueOf(request).startsWith("HEAD")
                        ? description
                        : String.valueOf(request).contains("/api/") ? listing : content;
                answer.to(client.getOutputStream());
            } catch (IOException e) {
                // The client has had enough.
            }
        }
    }

    private static void write(OutputStream out, String text) throws IOException {
        out.write(text.getBytes(StandardCharsets.ISO_8859_1));
        out.flush();
    }

    private static void send(OutputStream out, String body) throws IOException {
        write(out, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + body.length() + "\r\n\r\n" + body);
    }

    private static void sendForEver(OutputStream out, String part) throws IOException {
        String block = part.repeat(Math.max(1, (1 << 16) / part.length()));
        while (true) {
            write(out, block);
        }
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
    }

    private String refused() throws IOException {
        return refused(pause -> {});
    }

    private String refused(Waiting waiting) throws IOException {
        HubSettings settings =
                new HubSettings(URI.create("http://127.0.0.1:" + server.getLocalPort()), null, cache, false);
        String message = assertTimeoutPreemptively(Duration.ofMinutes(2), () -> assertThrows(
                        UserErrorException.class, () -> new HubClient(settings, waiting)
                                .download(HubRepository.parse("org/name"), HubProgress.NONE))
                .getMessage());
        assertEquals(1, message.lines().count(), message);
        assertTrue(message.length() < 2000, message);
        try (Stream<Path> files = Files.walk(cache)) {
            List<Path> kept = files.filter(Files::isRegularFile)
                    .filter(file -> !file.toString().endsWith(".lock"))
                    .toList();
            assertTrue(kept.isEmpty(), kept.toString());
        }
        return message;
    }

    @Test
    void aListingWithoutAnEndIsNotRead() throws IOException {
        listing = out -> {
            write(out, "HTTP/1.1 200 OK\r\n\r\n{\"siblings\": [");
            sendForEver(out, "{\"rfilename\": \"a\"},");
        };
        assertTrue(refused().contains("larger than 64 MiB"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"null", "[]", "3", "\"x\"", "", "{", "{\"sha\": 3}", "{\"sha\": null, \"siblings\": {}}"})
    void aListingThatIsNoneIsRefused(String json) throws IOException {
        listing = out -> send(out, json);
        refused();
    }

    @Test
    void aListingThatIsNestedWithoutAnEndIsRefused() throws IOException {
        listing = out -> send(out, "[".repeat(1_000_000));
        refused();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "additional_chat_templates/..\\\\..\\\\x.jinja",
                "additional_chat_templates/NUL.jinja",
                "additional_chat_templates/c:x.jinja",
                "additional_chat_templates/x\\u0000.jinja",
                "additional_chat_templates/com1.jinja",
                "additional_chat_templates/a\\nb.jinja",
            })
    void aNameThatLeadsElsewhereIsRefused(String name) throws IOException {
        listing = out -> send(out, LISTING.replace("[{", "[{\"rfilename\": \"" + name + "\"}, {"));
        assertTrue(refused().contains("cannot be one"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"../x.safetensors", "/etc/passwd", "a//b", "a/../b", ".", "", "a/aux", "x.", "b "})
    void aPathThatLeadsElsewhereIsRefused(String path) {
        assertThrows(UserErrorException.class, () -> HubFile.checkPath(path));
    }

    @Test
    void aBodyLongerThanAnnouncedIsCutOffAndNothingIsKept() throws IOException {
        content = out -> {
            write(out, "HTTP/1.1 200 OK\r\n\r\n");
            sendForEver(out, "x");
        };
        assertTrue(refused().contains("longer than the 100 bytes"));
        assertEquals(
                1,
                requests.stream()
                        .filter(request -> request.startsWith("GET /org"))
                        .count());
    }

    @Test
    void aBodyOfUnknownLengthHasALimitToo() throws IOException {
        description =
                out -> write(out, "HTTP/1.1 302 Found\r\nETag: \"abc\"\r\nLocation: http://other.example/x\r\n\r\n");
        content = out -> {
            write(out, "HTTP/1.1 200 OK\r\n\r\n");
            sendForEver(out, "x");
        };
        assertTrue(refused().contains("longer than 128 MiB"));
    }

    @Test
    void whatDoesNotFitOnTheDiskIsNotBegun() throws IOException {
        description =
                out -> write(out, "HTTP/1.1 200 OK\r\nETag: \"abc\"\r\nContent-Length: 4000000000000000000\r\n\r\n");
        assertTrue(refused().contains("has room for"));
    }

    @Test
    void aHubThatBreaksOffAfterEveryByteIsNotAskedForYears() throws IOException {
        description = out -> write(out, "HTTP/1.1 200 OK\r\nETag: \"abc\"\r\nContent-Length: 100000000\r\n\r\n");
        content = out -> write(out, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nx");
        HubSettings settings =
                new HubSettings(URI.create("http://127.0.0.1:" + server.getLocalPort()), null, cache, false);
        assertThrows(HubUnreachableException.class, () -> new HubClient(settings, pause -> {})
                .download(HubRepository.parse("org/name"), HubProgress.NONE));
        assertTrue(requests.size() < 20, requests.size() + " requests");
    }

    @ParameterizedTest
    @ValueSource(strings = {"file:///etc/passwd", "ftp://127.0.0.1/x", "jar:file:/x!/y", "mailto:a@b", "//"})
    void aRedirectToAnotherSchemeIsNotTriedAgain(String location) throws IOException {
        listing = out -> write(out, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + "\r\n\r\n");
        assertTrue(refused().contains("sends on"));
        assertEquals(1, requests.size());
    }

    @Test
    void redirectsInACircleEnd() throws IOException {
        listing = out -> write(
                out, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation: /api/again\r\n\r\n");
        assertTrue(refused().contains("sends on more than"));
        assertTrue(requests.size() < 10, requests.toString());
    }

    @Test
    void headersWithoutAnEndAreNotRead() throws IOException {
        listing = out -> {
            write(out, "HTTP/1.1 200 OK\r\n");
            sendForEver(out, "X-More: " + "y".repeat(1000) + "\r\n");
        };
        refused(new Waiting() {
            @Override
            public void pause(Duration duration) {}

            @Override
            public Duration forAnswer() {
                return Duration.ofSeconds(3);
            }
        });
    }

    @ParameterizedTest
    @ValueSource(strings = {"gzip", "br", "deflate, gzip"})
    void aCompressedBodyIsRefused(String encoding) throws IOException {
        content = out ->
                write(out, "HTTP/1.1 200 OK\r\nContent-Encoding: " + encoding + "\r\nContent-Length: 2\r\n\r\nxx");
        assertTrue(refused().contains("compressed"));
    }

    @Test
    void aStreamThatOnlyDripsIsClosed() throws Exception {
        CountDownLatch closed = new CountDownLatch(1);
        InputStream drips = new InputStream() {
            @Override
            public int read() {
                return 'x';
            }

            @Override
            public void close() {
                closed.countDown();
            }
        };
        try (StallGuard guard = StallGuard.watch(drips, Duration.ofMillis(10))) {
            while (!closed.await(1, TimeUnit.MILLISECONDS)) {
                guard.received(1);
            }
        }
        assertFalse(closed.getCount() > 0);
    }

    @Test
    void anAnswerThatCannotBeUsedIsTheUsersToMend() {
        listing = out -> send(out, "null");
        HubSettings settings =
                new HubSettings(URI.create("http://127.0.0.1:" + server.getLocalPort()), null, cache, false);
        String message = assertThrows(
                        UserErrorException.class, () -> new HubClient(settings, pause -> {}).resolve("org/name"))
                .getMessage();
        assertTrue(message.contains("org/name"), message);
    }
}
