package org.finetune4j.model.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.finetune4j.Json;
import org.finetune4j.TestJson;

/**
 * A hub on this machine, with one repository of files in memory and all the trouble a hub can make. Large files are those
 * that end in {@code .safetensors}; they are served by a second server, as hubs do.
 */
public final class FakeHub implements AutoCloseable {

    public static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    public final Map<String, byte[]> files = new ConcurrentHashMap<>();
    public final List<String> requests = new CopyOnWriteArrayList<>();
    public final Map<String, byte[]> stored = new ConcurrentHashMap<>();
    public final List<JsonNode> commitLines = new CopyOnWriteArrayList<>();
    public final List<JsonNode> created = new CopyOnWriteArrayList<>();

    /** Statuses for the next requests to the hub itself, before it works. */
    final Queue<Trouble> troubles = new ConcurrentLinkedQueue<>();

    /** After how many bytes the next answers with a large file break off. */
    final Queue<Integer> breaks = new ConcurrentLinkedQueue<>();

    /** Bodies that replace those of the next answers with a large file. */
    final Queue<byte[]> forgeries = new ConcurrentLinkedQueue<>();

    volatile boolean ignoresRange;
    volatile boolean slow;
    volatile boolean compresses;
    public volatile boolean inParts;
    volatile boolean exists = true;

    private final String id;
    private final HttpServer hub = server(this::answer);
    private final HttpServer storage = server(this::answerStorage);
    private final ExecutorService threads = Executors.newCachedThreadPool();

    /** A status to answer, with headers. */
    record Trouble(int status, Map<String, String> headers) {}

    public FakeHub(String id) {
        this.id = id;
        for (HttpServer server : List.of(hub, storage)) {
            server.setExecutor(threads);
            server.start();
        }
    }

    private interface Answer {
        void to(HttpExchange exchange) throws IOException;
    }

    private HttpServer server(Answer answer) {
        try {
            HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.createContext("/", exchange -> {
                requests.add(exchange.getRequestMethod() + " " + exchange.getRequestURI());
                try (exchange) {
                    answer.to(exchange);
                }
            });
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static URI uri(HttpServer server) {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    /** Where it is asked. */
    public URI endpoint() {
        return uri(hub);
    }

    /** Takes all files of a directory. */
    public void takeAll(Path directory) throws IOException {
        try (var list = Files.list(directory)) {
            for (Path file : list.filter(Files::isRegularFile).toList()) {
                files.put(file.getFileName().toString(), Files.readAllBytes(file));
            }
        }
    }

    HubSettings settings(Path cache) {
        return new HubSettings(endpoint(), "hf_secret", cache, false);
    }

    long count(String part) {
        return requests.stream().filter(request -> request.contains(part)).count();
    }

    private void answer(HttpExchange exchange) throws IOException {
        Trouble trouble = troubles.poll();
        if (trouble != null) {
            trouble.headers().forEach(exchange.getResponseHeaders()::set);
            exchange.sendResponseHeaders(trouble.status(), -1);
            return;
        }
        String path = exchange.getRequestURI().getPath();
        if (exchange.getRequestMethod().equals("POST")) {
            answerPost(exchange, path);
        } else if (!exists || !path.contains("/" + id + "/") && !path.endsWith("/" + id)) {
            refuse(exchange, "RepoNotFound");
        } else if (path.startsWith("/api/models/")) {
            answerInformation(exchange, path);
        } else {
            answerFile(exchange, path);
        }
    }

    private static void refuse(HttpExchange exchange, String code) throws IOException {
        exchange.getResponseHeaders().set("X-Error-Code", code);
        exchange.sendResponseHeaders(404, -1);
    }

    private void answerInformation(HttpExchange exchange, String path) throws IOException {
        if (path.contains("/revision/") && !path.endsWith("/main") && !path.endsWith(COMMIT)) {
            refuse(exchange, "RevisionNotFound");
            return;
        }
        if (path.contains("/tree/")) {
            var tree = Json.array();
            files.forEach((name, content) -> tree.addObject()
                    .put("type", "file")
                    .put("path", name)
                    .put("size", content.length)
                    .put("oid", etag(name, content)));
            send(exchange, Json.bytes(tree));
            return;
        }
        ObjectNode info = Json.object().put("id", id).put("sha", COMMIT);
        var siblings = info.putArray("siblings");
        files.keySet().stream().sorted().forEach(name -> siblings.addObject().put("rfilename", name));
        send(exchange, Json.bytes(info));
    }

    private void answerFile(HttpExchange exchange, String path) throws IOException {
        String name = path.replaceFirst(".*/resolve/[^/]+/", "");
        byte[] content = files.get(name);
        if (content == null) {
            refuse(exchange, "EntryNotFound");
            return;
        }
        var headers = exchange.getResponseHeaders();
        headers.set("X-Repo-Commit", COMMIT);
        if (!isLarge(name)) {
            headers.set("ETag", "\"" + etag(name, content) + "\"");
            send(exchange, content);
            return;
        }
        headers.set("X-Linked-Etag", "\"" + etag(name, content) + "\"");
        headers.set("X-Linked-Size", String.valueOf(content.length));
        headers.set("Location", uri(storage) + "/get/" + name);
        exchange.sendResponseHeaders(302, -1);
    }

    private static void send(HttpExchange exchange, byte[] content) throws IOException {
        if (exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseHeaders().set("Content-Length", String.valueOf(content.length));
            exchange.sendResponseHeaders(200, -1);
        } else {
            exchange.sendResponseHeaders(200, content.length == 0 ? -1 : content.length);
            exchange.getResponseBody().write(content);
        }
    }

    private void answerStorage(HttpExchange exchange) throws IOException {
        if (exchange.getRequestHeaders().containsKey("Authorization")) {
            requests.add("LEAKED TOKEN");
        }
        String path = exchange.getRequestURI().getPath();
        if (exchange.getRequestMethod().equals("PUT")) {
            stored.put(path, exchange.getRequestBody().readAllBytes());
            exchange.getResponseHeaders().set("ETag", "etag" + path);
            exchange.sendResponseHeaders(200, -1);
            return;
        }
        if (exchange.getRequestMethod().equals("HEAD")) {
            send(exchange, files.get(path.replaceFirst("/get/", "")));
            return;
        }
        byte[] forged = forgeries.poll();
        byte[] content = forged == null ? files.get(path.replaceFirst("/get/", "")) : forged;
        String range = exchange.getRequestHeaders().getFirst("Range");
        int from = range == null || ignoresRange ? 0 : Integer.parseInt(range.replaceAll("\\D", ""));
        if (compresses) {
            exchange.getResponseHeaders().set("Content-Encoding", "gzip");
        }
        if (from > 0) {
            requests.add("RANGE " + from);
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + from + "-" + (content.length - 1) + "/" + content.length);
        }
        exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length - from);
        Integer broken = breaks.poll();
        int to = broken == null ? content.length : Math.min(content.length, from + broken);
        OutputStream out = exchange.getResponseBody();
        for (int at = from; at < to; at += 1000) {
            out.write(content, at, Math.min(1000, to - at));
            out.flush();
            if (slow) {
                pause();
            }
        }
        // When too little was written, closing the exchange breaks the connection.
    }

    private static void pause() {
        try {
            Thread.sleep(5);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void answerPost(HttpExchange exchange, String path) throws IOException {
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        ObjectNode answer = Json.object();
        if (path.equals("/api/repos/create")) {
            created.add(TestJson.parse(body));
        } else if (path.contains("/preupload/")) {
            var modes = answer.putArray("files");
            for (JsonNode file : TestJson.parse(body).path("files")) {
                String name = file.path("path").asText();
                modes.addObject()
                        .put("path", name)
                        .put("uploadMode", isLarge(name) ? "lfs" : "regular")
                        .put("shouldIgnore", name.endsWith(".log"));
            }
        } else if (path.endsWith("/objects/batch")) {
            var objects = answer.putArray("objects");
            TestJson.parse(body).path("objects").forEach(object -> objects.add(uploadOf(object)));
        } else if (path.contains("/commit/")) {
            for (String line : body.split("\n")) {
                commitLines.add(TestJson.parse(line));
            }
            answer.put("commitUrl", endpoint() + "/" + id + "/commit/" + COMMIT).put("commitOid", COMMIT);
        }
        send(exchange, Json.bytes(answer));
    }

    private ObjectNode uploadOf(JsonNode object) {
        String oid = object.path("oid").asText();
        ObjectNode answer = Json.object().put("oid", oid);
        answer.put("size", object.path("size").asLong());
        ObjectNode actions = answer.putObject("actions");
        ObjectNode upload = actions.putObject("upload");
        if (inParts) {
            ObjectNode header = upload.putObject("header");
            header.put("chunk_size", "1000");
            for (int part = 1; (part - 1) * 1000L < object.path("size").asLong(); part++) {
                header.put("%05d".formatted(part), uri(storage) + "/put/" + oid + "/" + part);
            }
            upload.put("href", endpoint() + "/complete/" + oid);
        } else {
            upload.put("href", uri(storage) + "/put/" + oid);
        }
        actions.putObject("verify").put("href", endpoint() + "/verify/" + oid);
        return answer;
    }

    /** The content of a committed small file. */
    public String committed(String path) {
        return commitLines.stream()
                .map(line -> line.path("value"))
                .filter(value -> value.path("path").asText().equals(path))
                .map(value -> new String(
                        Base64.getDecoder().decode(value.path("content").asText()), StandardCharsets.UTF_8))
                .findFirst()
                .orElse("");
    }

    private static boolean isLarge(String name) {
        return name.endsWith(".safetensors");
    }

    static String etag(String name, byte[] content) {
        return isLarge(name)
                ? hash("SHA-256", content)
                : hash("SHA-1", ("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII), content);
    }

    private static String hash(String algorithm, byte[]... parts) {
        try {
            MessageDigest digest = MessageDigest.getInstance(algorithm);
            Arrays.stream(parts).forEach(digest::update);
            return HexFormat.of().formatHex(digest.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        hub.stop(0);
        storage.stop(0);
        threads.shutdownNow();
    }
}
