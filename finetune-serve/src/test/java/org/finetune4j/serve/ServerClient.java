package org.finetune4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.finetune4j.Json;
import org.jspecify.annotations.Nullable;

/** Asks a server, as a program does that knows HTTP and JSON only. */
final class ServerClient {

    private static final Duration TIMEOUT = Duration.ofMinutes(1);

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final URI address;
    private final @Nullable String key;

    ServerClient(ModelServer server) {
        this(server.address(), null);
    }

    ServerClient(URI address, @Nullable String key) {
        this.address = address;
        this.key = key;
    }

    /** An answer with its status. */
    record Answer(int status, String body, HttpResponse<String> response) {

        JsonNode json() {
            return Json.parse(body, "answer");
        }

        /** What {@code error} says of a field. */
        String error(String field) {
            return json().path("error").path(field).asText();
        }

        /** The text of a choice. */
        String text(int choice) {
            JsonNode node = json().path("choices").path(choice);
            return node.has("text")
                    ? node.path("text").asText()
                    : node.path("message").path("content").asText();
        }

        /** The events of a stream, without the last, which says that it is done. */
        List<JsonNode> events() {
            List<JsonNode> events = new ArrayList<>();
            for (String line : body.split("\n", -1)) {
                if (line.startsWith("data: {")) {
                    events.add(Json.parse(line.substring("data: ".length()), "event"));
                }
            }
            return events;
        }
    }

    HttpRequest.Builder request(String path) {
        HttpRequest.Builder builder =
                HttpRequest.newBuilder(address.resolve(path)).timeout(TIMEOUT);
        return key == null ? builder : builder.header("Authorization", "Bearer " + key);
    }

    Answer get(String path) {
        return send(request(path).GET().build());
    }

    Answer delete(String path) {
        return send(request(path).DELETE().build());
    }

    Answer post(String path, String body) {
        return send(request(path)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build());
    }

    CompletableFuture<Answer> postLater(String path, String body) {
        HttpRequest request = request(path)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        return http.sendAsync(request, HttpResponse.BodyHandlers.ofString())
                .thenApply(response -> new Answer(response.statusCode(), response.body(), response));
    }

    Answer send(HttpRequest request) {
        try {
            HttpResponse<String> response = http.send(request, HttpResponse.BodyHandlers.ofString());
            return new Answer(response.statusCode(), response.body(), response);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** A body that asks for a continuation. */
    static ObjectNode completion(String prompt, int tokens) {
        ObjectNode body = Json.object();
        body.put("model", ServedFiles.NAME);
        body.put("prompt", prompt);
        body.put("max_tokens", tokens);
        body.put("temperature", 0);
        return body;
    }

    /** A body that asks for an answer. */
    static ObjectNode chat(String question, int tokens) {
        ObjectNode body = Json.object();
        body.put("model", ServedFiles.NAME);
        body.putArray("messages").addObject().put("role", "user").put("content", question);
        body.put("max_tokens", tokens);
        body.put("temperature", 0);
        return body;
    }
}
