package org.finetune4j.model.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;

/** Sends one file to large file storage the way the hub asked for: whole, or in parts. */
final class LargeFileUpload {

    static final Map<String, String> HEADERS =
            Map.of("Accept", "application/vnd.git-lfs+json", "Content-Type", "application/vnd.git-lfs+json");

    private final HubHttp http;
    private final HubRepository repository;
    private final HubProgress progress;

    LargeFileUpload(HubHttp http, HubRepository repository, HubProgress progress) {
        this.http = http;
        this.repository = repository;
        this.progress = progress;
    }

    /** Uploads unless the storage has this content already. {@code object} is what the hub answered for it. */
    void send(UploadFile file, JsonNode object) throws IOException {
        if (object.has("error")) {
            throw new UserErrorException(repository + ": the hub does not take " + file.path() + ": "
                    + object.path("error").path("message").asText());
        }
        JsonNode upload = object.path("actions").path("upload");
        if (upload.has("href")) {
            URI address = URI.create(upload.path("href").asText());
            if (upload.path("header").has("chunk_size")) {
                sendParts(file, address, upload.path("header"));
            } else {
                put(file, address, headers(upload.path("header")), 0, file.size());
            }
        }
        progress.transferred(file.path(), file.size(), file.size());
        JsonNode verify = object.path("actions").path("verify");
        if (verify.has("href")) {
            ObjectNode body = Json.object().put("oid", file.sha256()).put("size", file.size());
            post(URI.create(verify.path("href").asText()), body, file);
        }
    }

    private static Map<String, String> headers(JsonNode given) {
        Map<String, String> headers = new LinkedHashMap<>();
        given.properties()
                .forEach(field -> headers.put(field.getKey(), field.getValue().asText()));
        return headers;
    }

    /** The header has the address of every part under its number, counted from one. */
    private void sendParts(UploadFile file, URI completion, JsonNode header) throws IOException {
        long size = header.path("chunk_size").asLong();
        if (size < 1) {
            throw new UserErrorException(repository + ": the hub wants " + file.path() + " in parts of no size");
        }
        ObjectNode done = Json.object().put("oid", file.sha256());
        ArrayNode parts = done.putArray("parts");
        int number = 0;
        for (long from = 0; from < file.size(); from += size) {
            String address = partAddress(header, ++number);
            if (address.isEmpty()) {
                throw new UserErrorException(
                        repository + ": the hub gives no address for part " + number + " of " + file.path());
            }
            long to = Math.min(file.size(), from + size);
            String etag = put(file, URI.create(address), Map.of(), from, to);
            parts.addObject().put("partNumber", number).put("etag", etag);
            progress.transferred(file.path(), to, file.size());
        }
        post(completion, done, file);
    }

    private static String partAddress(JsonNode header, int number) {
        var fields = header.properties().iterator();
        while (fields.hasNext()) {
            var field = fields.next();
            if (field.getKey().matches("\\d{1,9}") && Integer.parseInt(field.getKey()) == number) {
                return field.getValue().asText();
            }
        }
        return "";
    }

    /** Sends bytes of a file; gives the etag that the storage answers. */
    private String put(UploadFile file, URI address, Map<String, String> headers, long from, long to)
            throws IOException {
        BodyPublisher body = BodyPublishers.fromPublisher(
                BodyPublishers.ofInputStream(() -> slice(file.source(), from, to)), to - from);
        HttpResponse<InputStream> response = http.send(new HubHttp.Call("PUT", address, headers, body, true));
        if (response.statusCode() / 100 != 2) {
            throw HubAnswers.refusal(response, repository, "the upload of " + file.path());
        }
        response.body().close();
        return response.headers().firstValue("ETag").orElse("");
    }

    private static InputStream slice(Path source, long from, long to) {
        try {
            FileChannel channel = FileChannel.open(source);
            channel.position(from);
            return new LimitedStream(Channels.newInputStream(channel), to - from);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void post(URI address, ObjectNode body, UploadFile file) throws IOException {
        HttpResponse<InputStream> response = http.send(
                new HubHttp.Call("POST", address, HEADERS, BodyPublishers.ofByteArray(Json.bytes(body)), true));
        if (response.statusCode() / 100 != 2) {
            throw HubAnswers.refusal(response, repository, "the end of the upload of " + file.path());
        }
        response.body().close();
    }
}
