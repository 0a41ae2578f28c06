package org.finetune4j.rlhf.http;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.finetune4j.FinetuneException;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.RetryAfter;
import org.finetune4j.UserErrorException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A service that answers JSON with JSON. What fails is tried again after a pause, which is the service's own wish where it says one
 * ({@code Retry-After}), but for requests that the service calls wrong (4xx). Several threads may ask.
 */
public final class JsonService {

    private static final Logger LOG = LoggerFactory.getLogger(JsonService.class);
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);
    private static final Set<Integer> WORTH_ANOTHER_TRY = Set.of(408, 425, 429);

    private final String name;
    private final Options options;
    private final HttpClient client;

    /**
     * How a service is asked.
     *
     * @param endpoint its address
     * @param timeout how long it may take for an answer, from the connection to the last byte
     * @param tries how often it is asked before that is an error, at least 1
     * @param backoff the pause before the second try, unless the service asks for another; each further one is twice as long, up to a
     *     minute
     * @param headers sent with every request, such as {@code Authorization}
     */
    public record Options(URI endpoint, Duration timeout, int tries, Duration backoff, Map<String, String> headers) {

        /**
         * Copies the headers.
         *
         * @param endpoint its address
         * @param timeout how long it may take for an answer
         * @param tries at least 1
         * @param backoff the pause before the second try
         * @param headers sent with every request
         */
        public Options {
            headers = Map.copyOf(headers);
        }
    }

    /**
     * Makes something of an answer.
     *
     * @param <T> what it makes
     */
    @FunctionalInterface
    public interface Reader<T> {

        /**
         * Reads an answer.
         *
         * @param json any JSON
         * @return what it says
         * @throws UnusableAnswerException when that is not what was asked for
         */
        T read(JsonNode json) throws UnusableAnswerException;
    }

    /**
     * A service.
     *
     * @param name what it is, for messages: {@code reward service}
     * @param options where it is and how it is asked
     */
    public JsonService(String name, Options options) {
        this.name = name;
        this.options = options;
        this.client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(options.timeout())
                .followRedirects(HttpClient.Redirect.NORMAL)
                .build();
    }

    /**
     * Posts a request.
     *
     * @param <T> what is made of the answer
     * @param request its body
     * @param limit bytes of the longest answer
     * @param reader makes something of it
     * @return what the reader made
     * @throws UserErrorException when no answer could be used, after as many tries as there are
     */
    public <T> T post(ObjectNode request, long limit, Reader<T> reader) {
        byte[] body = Json.bytes(request);
        Duration pause = options.backoff();
        for (int tried = 1; ; tried++) {
            try {
                return ask(body, limit, reader);
            } catch (UnusableAnswerException e) {
                if (tried == options.tries() || !e.isWorthAnotherTry()) {
                    throw new UserErrorException(
                            name + " " + options.endpoint() + ": " + e.getMessage()
                                    + (tried > 1 ? " (asked " + tried + " times)" : ""),
                            e);
                }
                Duration next = bounded(e.wishedPause().orElse(pause));
                LOG.warn("{} {}: {}; asked again in {}", name, options.endpoint(), e.getMessage(), next);
                rest(next);
                pause = bounded(pause.multipliedBy(2));
            }
        }
    }

    private static Duration bounded(Duration pause) {
        return pause.compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : pause;
    }

    private <T> T ask(byte[] body, long limit, Reader<T> reader) throws UnusableAnswerException {
        HttpRequest.Builder request = HttpRequest.newBuilder(options.endpoint())
                .timeout(options.timeout())
                .header("Content-Type", "application/json")
                .header("Accept", "application/json")
                .POST(BodyPublishers.ofByteArray(body));
        options.headers().forEach(request::setHeader);
        CompletableFuture<HttpResponse<byte[]>> pending = client.sendAsync(request.build(), LimitedBody.of(limit));
        try {
            return read(pending.get(options.timeout().toMillis(), TimeUnit.MILLISECONDS), reader);
        } catch (TimeoutException e) {
            pending.cancel(true);
            throw new UnusableAnswerException(
                    "no answer in " + options.timeout().toMillis() / 1000.0 + " s", true);
        } catch (ExecutionException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new UnusableAnswerException(reason(cause), cause instanceof IOException);
        } catch (InterruptedException e) {
            pending.cancel(true);
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while a service was asked", e);
        }
    }

    private String reason(Throwable cause) {
        if (cause instanceof HttpTimeoutException) {
            return "no answer in " + options.timeout().toMillis() / 1000.0 + " s";
        }
        return cause instanceof ConnectException ? "cannot be reached" : Reasons.of(cause);
    }

    private static <T> T read(HttpResponse<byte[]> response, Reader<T> reader) throws UnusableAnswerException {
        int status = response.statusCode();
        if (status != 200) {
            boolean wrong = status >= 400 && status < 500 && !WORTH_ANOTHER_TRY.contains(status);
            throw new UnusableAnswerException(
                    "answered with status " + status + text(response),
                    !wrong,
                    RetryAfter.of(response).orElse(null));
        }
        JsonNode json;
        try {
            json = Json.parse(response.body(), "its answer");
        } catch (UserErrorException e) {
            throw new UnusableAnswerException("its answer is no JSON" + text(response), true);
        }
        return reader.read(json);
    }

    private static String text(HttpResponse<byte[]> response) {
        String body = new String(response.body(), StandardCharsets.UTF_8);
        return body.isBlank() ? "" : ": " + Reasons.excerpt(body.strip());
    }

    private static void rest(Duration pause) {
        try {
            Thread.sleep(pause.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while waiting for a service", e);
        }
    }
}
