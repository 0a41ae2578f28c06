package org.finetune4j.rlhf.rewards;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.rlhf.http.JsonService;
import org.finetune4j.rlhf.http.UnusableAnswerException;

/**
 * Asks a service for scores: {@code POST {"prompts": [...], "completions": [...], "COLUMN": [...]}}, answered by
 * {@code {"rewards": [...]}} or the array alone, one number a completion. What fails is tried again after a pause, but for
 * requests that the service calls wrong (4xx).
 */
public final class HttpReward implements RewardSource {

    private static final long BYTES_PER_SCORE = 4096;

    private final JsonService service;

    /**
     * A service.
     *
     * @param options where it is and how it is asked
     */
    public HttpReward(HttpRewardOptions options) {
        this.service = new JsonService(
                "reward service",
                new JsonService.Options(
                        options.endpoint(), options.timeout(), options.tries(), options.backoff(), options.headers()));
    }

    @Override
    public String name() {
        return "http";
    }

    @Override
    public double[] scores(List<RewardRequest> requests) {
        return requests.isEmpty()
                ? new double[0]
                : service.post(
                        body(requests),
                        BYTES_PER_SCORE * (requests.size() + 16L),
                        answer -> read(answer, requests.size()));
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

    private static double[] read(JsonNode json, int count) throws UnusableAnswerException {
        JsonNode scores = json.isObject() ? json.path(json.has("rewards") ? "rewards" : "scores") : json;
        if (!scores.isArray() || scores.size() != count) {
            throw new UnusableAnswerException(
                    "expected 'rewards' with " + count + " numbers, it answered: " + Reasons.excerpt(Json.write(json)),
                    true);
        }
        double[] read = new double[count];
        for (int i = 0; i < count; i++) {
            JsonNode score = scores.get(i);
            read[i] = score.asDouble(Double.NaN);
            if (!score.isNumber() || !Double.isFinite(read[i])) {
                throw new UnusableAnswerException(
                        "number " + (i + 1) + " of 'rewards' is " + Reasons.excerpt(score.toString())
                                + ", expected a finite number",
                        true);
            }
        }
        return read;
    }
}
