package org.finetune4j.rlhf.rewards;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.finetune4j.FinetuneException;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Asks a service for scores: {@code POST {"prompts": [...], "completions": [...], "COLUMN": [...]}}, answered by
 * {@code {"rewards": [...]}} or the array alone, one number a completion. What fails is tried again after a pause, but for
 * requests that the service calls wrong (4xx).
 */
public final class HttpReward implements RewardSource {

    private static final Logger LOG = LoggerFactory.getLogger(HttpReward.class);
    private static final Duration LONGEST_PAUSE = Duration.ofMinutes(1);
    private static final long BYTES_PER_SCORE = 4096;
    private static final Set<Integer> WORTH_ANOTHER_TRY = Set.of(408, 425, 429);

    private final HttpRewardOptions options;
    private final HttpClient client;

    /**
     * A service.
     *
     * @param options where it is and how it is asked
     */
    public HttpReward(HttpRewardOptions options) {
        this.options = options;
        this.client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(options.timeout())
                .followRedirects(HttpClient.Redirect.NORMAL)
                .build();
    }

    /** An answer of the service that cannot be used. */
    private static final class UnusableAnswer extends Exception {

        private static final long serialVersionUID = 1;

        private final boolean worthAnotherTry;

        UnusableAnswer(String message, boolean worthAnotherTry) {
            super(message);
            this.worthAnotherTry = worthAnotherTry;
        }
    }

    @Override
    public String name() {
        return "http";
    }

    @Override
    public double[] scores(List<RewardRequest> requests) {
        if (requests.isEmpty()) {
            return new double[0];
        }
        byte[] body = Json.bytes(body(requests));
        Duration pause = options.backoff();
        for (int tried = 1; ; tried++) {
            try {
                return ask(body, requests.size());
            } catch (UnusableAnswer e) {
                if (tried == options.tries() || !e.worthAnotherTry) {
                    throw new UserErrorException(
                            "reward service " + options.endpoint() + ": " + e.getMessage()
                                    + (tried > 1 ? " (asked " + tried + " times)" : ""),
                            e);
                }
                LOG.warn("reward service {}: {}; asked again in {}", options.endpoint(), e.getMessage(), pause);
                rest(pause);
                pause = pause.multipliedBy(2).compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : pause.multipliedBy(2);
            }
        }
    }

    private static ObjectNode body(List<RewardRequest> requests) {
        ObjectNode body = Json.object();
        Set<String> columns = new LinkedHashSet<>();
        requests.forEach(request -> columns.addAll(request.columns().keySet()));
        for (String column : columns) {
            ArrayNode values = body.putArray(column);
            requests.forEach(request -> values.add(Json.of(request.columns().get(column))));
        }
        ArrayNode prompts = body.putArray("prompts");
        ArrayNode completions = body.putArray("completions");
        requests.forEach(request -> {
            prompts.add(request.prompt());
            completions.add(request.completion());
        });
        return body;
    }

    private double[] ask(byte[] body, int count) throws UnusableAnswer {
        HttpRequest.Builder request = HttpRequest.newBuilder(options.endpoint())
                .timeout(options.timeout())
                .header("Content-Type", "application/json")
                .header("Accept", "application/json")
                .POST(BodyPublishers.ofByteArray(body));
        options.headers().forEach(request::setHeader);
        CompletableFuture<HttpResponse<byte[]>> pending =
                client.sendAsync(request.build(), LimitedBody.of(BYTES_PER_SCORE * (count + 16L)));
        try {
            HttpResponse<byte[]> response = pending.get(options.timeout().toMillis(), TimeUnit.MILLISECONDS);
            return read(response, count);
        } catch (TimeoutException e) {
            pending.cancel(true);
            throw new UnusableAnswer("no answer in " + options.timeout().toMillis() / 1000.0 + " s", true);
        } catch (ExecutionException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new UnusableAnswer(reason(cause), cause instanceof IOException);
        } catch (InterruptedException e) {
            pending.cancel(true);
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while a service scored answers", e);
        }
    }

    private String reason(Throwable cause) {
        if (cause instanceof HttpTimeoutException) {
            return "no answer in " + options.timeout().toMillis() / 1000.0 + " s";
        }
        return cause instanceof ConnectException ? "cannot be reached" : Reasons.of(cause);
    }

    private static double[] read(HttpResponse<byte[]> response, int count) throws UnusableAnswer {
        int status = response.statusCode();
        if (status != 200) {
            boolean wrong = status >= 400 && status < 500 && !WORTH_ANOTHER_TRY.contains(status);
            throw new UnusableAnswer("answered with status " + status + text(response), !wrong);
        }
        JsonNode scores;
        try {
            JsonNode json = Json.parse(response.body(), "its answer");
            scores = json.isObject() ? json.path(json.has("rewards") ? "rewards" : "scores") : json;
        } catch (UserErrorException e) {
            throw new UnusableAnswer("its answer is no JSON" + text(response), true);
        }
        if (!scores.isArray() || scores.size() != count) {
            throw new UnusableAnswer(
                    "expected 'rewards' with " + count + " numbers, it answered" + text(response), true);
        }
        double[] read = new double[count];
        for (int i = 0; i < count; i++) {
            JsonNode score = scores.get(i);
            read[i] = score.asDouble(Double.NaN);
            if (!score.isNumber() || !Double.isFinite(read[i])) {
                throw new UnusableAnswer(
                        "number " + (i + 1) + " of 'rewards' is " + Reasons.excerpt(score.toString())
                                + ", expected a finite number",
                        true);
            }
        }
        return read;
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
            throw new FinetuneException("interrupted while waiting for a reward service", e);
        }
    }
}
