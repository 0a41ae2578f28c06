package org.finetune4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.FinetuneException;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Asks a server that has OpenAI's interface, and measures how long that takes. Any thread may ask. */
final class ServeClient {

    private static final Duration LONGEST = Duration.ofMinutes(10);

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final URI address;
    private final @Nullable String key;

    ServeClient(URI address, @Nullable String key) {
        this.address = address;
        this.key = key;
    }

    /** An adapter that the server offers. */
    record Offered(String name, String path) {}

    /** The times of a stream's events, in nanoseconds: from asking to the first text, and from each text to the next. */
    record Times(long first, List<Long> between) {}

    /** The name of the base: the first model of the list. */
    String base() {
        return get("/v1/models").path("data").path(0).path("id").asText();
    }

    /** The adapters; none where the server has no list of them. */
    List<Offered> adapters() {
        List<Offered> all = new ArrayList<>();
        try {
            for (JsonNode adapter : get("/v1/adapters").path("data")) {
                all.add(new Offered(
                        adapter.path("name").asText(), adapter.path("path").asText()));
            }
        } catch (UserErrorException e) {
            return List.of(); // another server, which has no such list
        }
        return all;
    }

    /** What a line of the metrics says, or null where there is none. */
    @Nullable
    Double metric(String line) {
        String text;
        try {
            text = text(send(request("/metrics").GET().build()));
        } catch (UserErrorException e) {
            return null; // another server, which says nothing of itself
        }
        return text.lines()
                .filter(each -> each.startsWith(line + " "))
                .findFirst()
                .map(each -> Double.valueOf(each.substring(line.length() + 1)))
                .orElse(null);
    }

    /** Reads an adapter from disk under its name; gives the nanoseconds. */
    long load(Offered adapter) {
        ObjectNode body = Json.object().put("name", adapter.name()).put("path", adapter.path());
        long start = System.nanoTime();
        post("/v1/adapters", body);
        return System.nanoTime() - start;
    }

    /** Has a text continued by so many tokens; gives the nanoseconds. */
    long complete(String model, String prompt, int tokens) {
        long start = System.nanoTime();
        JsonNode answer = post("/v1/completions", completion(model, prompt, tokens));
        int got = answer.path("usage").path("completion_tokens").asInt();
        if (got != tokens) {
            throw new UserErrorException(address + " answered with " + got + " tokens, asked for " + tokens
                    + ": its answers cannot be compared");
        }
        return System.nanoTime() - start;
    }

    /** Has a text continued while listening. */
    Times stream(String model, String prompt, int tokens) {
        ObjectNode body = completion(model, prompt, tokens).put("stream", true);
        long last = System.nanoTime();
        long first = -1;
        List<Long> between = new ArrayList<>();
        HttpResponse<InputStream> response = send(post(body, "/v1/completions"));
        try (BufferedReader events =
                new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
            for (String line = events.readLine(); line != null; line = events.readLine()) {
                boolean text = line.startsWith("data: {")
                        && !Json.parse(line.substring("data: ".length()), "event")
                                .path("choices")
                                .path(0)
                                .path("text")
                                .asText("")
                                .isEmpty();
                if (text) {
                    long now = System.nanoTime();
                    if (first < 0) {
                        first = now - last;
                    } else {
                        between.add(now - last);
                    }
                    last = now;
                }
            }
        } catch (IOException e) {
            throw unreachable(e);
        }
        if (first < 0) {
            throw new UserErrorException(address + " sent a stream without text");
        }
        return new Times(first, between);
    }

    private static ObjectNode completion(String model, String prompt, int tokens) {
        return Json.object()
                .put("model", model)
                .put("prompt", prompt)
                .put("max_tokens", tokens)
                .put("temperature", 0)
                .put("ignore_eos", true);
    }

    private JsonNode get(String path) {
        return json(send(request(path).GET().build()));
    }

    private JsonNode post(String path, ObjectNode body) {
        return json(send(post(body, path)));
    }

    private HttpRequest post(ObjectNode body, String path) {
        return request(path)
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(Json.write(body)))
                .build();
    }

    private HttpRequest.Builder request(String path) {
        HttpRequest.Builder builder =
                HttpRequest.newBuilder(address.resolve(path)).timeout(LONGEST);
        return key == null ? builder : builder.header("Authorization", "Bearer " + key);
    }

    private static JsonNode json(HttpResponse<InputStream> response) {
        return Json.parse(text(response), "answer");
    }

    private static String text(HttpResponse<InputStream> response) {
        try (InputStream body = response.body()) {
            return new String(body.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new FinetuneException("an answer did not arrive: " + Reasons.of(e), e);
        }
    }

    private HttpResponse<InputStream> send(HttpRequest request) {
        try {
            HttpResponse<InputStream> response = http.send(request, HttpResponse.BodyHandlers.ofInputStream());
            if (response.statusCode() != 200) {
                throw new UserErrorException(request.uri() + " answered with status " + response.statusCode() + ": "
                        + Reasons.excerpt(text(response)));
            }
            return response;
        } catch (IOException e) {
            throw unreachable(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted", e);
        }
    }

    private UserErrorException unreachable(IOException e) {
        return new UserErrorException("cannot ask " + address + ": " + Reasons.of(e), e);
    }
}
