package org.finetune4j.rlhf.distill;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.format.Turn;
import org.finetune4j.rlhf.http.JsonService;
import org.finetune4j.rlhf.http.UnusableAnswerException;

/**
 * A teacher behind an OpenAI-style service: it answers prompts, and where it gives {@code top_logprobs} it says how likely others
 * than the drawn tokens were.
 */
final class TeacherServer {

    private static final String CHAT = "/chat/completions";
    private static final long BYTES_PER_TOKEN = 8192;

    private final JsonService service;
    private final Asking asking;

    /**
     * What is asked for.
     *
     * @param model the service's name of the model; empty for its only one
     * @param maxTokens of the longest answer
     * @param temperature that answers are drawn at
     * @param topP tokens are drawn from the likeliest ones that have this probability together
     * @param topLogprobs how many of the likeliest words are asked for; 0 for the text alone
     * @param seed of what is drawn
     */
    record Asking(String model, int maxTokens, double temperature, double topP, int topLogprobs, long seed) {}

    TeacherServer(JsonService service, Asking asking) {
        this.service = service;
        this.asking = asking;
    }

    /**
     * The address that is asked.
     *
     * @param url of the service, of its {@code /v1}, or of the very call
     * @throws UserErrorException when it is none
     */
    static URI endpoint(String url) {
        try {
            URI address = URI.create(url.strip().replaceFirst("/+$", ""));
            boolean web = "http".equalsIgnoreCase(address.getScheme()) || "https".equalsIgnoreCase(address.getScheme());
            if (web && address.getHost() != null) {
                String path = String.valueOf(address.getRawPath());
                return path.endsWith(CHAT)
                        ? address
                        : URI.create(address + (path.matches(".*/v\\d+") ? CHAT : "/v1" + CHAT));
            }
        } catch (IllegalArgumentException e) {
            // Said below.
        }
        throw new UserErrorException("'" + Reasons.excerpt(url)
                + "' is no address of a service, expected one such as http://localhost:8000/v1");
    }

    /**
     * One answer of the teacher.
     *
     * @param text the answer
     * @param tokens of the answer with the likeliest words in their place; empty where the service gives none
     */
    record Said(String text, List<Token> tokens) {

        ObjectNode toJson() {
            ObjectNode json = Json.object().put("text", text);
            ArrayNode all = json.putArray("tokens");
            for (Token token : tokens) {
                ObjectNode own = all.addObject().put("token", token.text);
                ObjectNode top = own.putObject("top");
                token.likeliest.forEach(top::put);
            }
            return json;
        }

        static Said of(JsonNode json) {
            List<Token> tokens = new ArrayList<>();
            for (JsonNode token : json.path("tokens")) {
                Map<String, Double> likeliest = new LinkedHashMap<>();
                token.path("top")
                        .properties()
                        .forEach(word ->
                                likeliest.put(word.getKey(), word.getValue().asDouble()));
                tokens.add(new Token(token.path("token").asText(), likeliest));
            }
            return new Said(json.path("text").asText(), tokens);
        }
    }

    /**
     * A token of an answer.
     *
     * @param text as it stands in the middle of a text
     * @param likeliest log-probabilities by text, its own among them
     */
    record Token(String text, Map<String, Double> likeliest) {}

    /** What is asked about a prompt: the same again gives the same. */
    ObjectNode request(List<Turn> turns) {
        ObjectNode request = Json.object();
        if (!asking.model.isEmpty()) {
            request.put("model", asking.model);
        }
        ArrayNode messages = request.putArray("messages");
        turns.forEach(turn -> messages.addObject().put("role", turn.role()).put("content", turn.content()));
        request.put("max_tokens", asking.maxTokens)
                .put("temperature", asking.temperature)
                .put("top_p", asking.topP)
                .put("seed", asking.seed);
        if (asking.topLogprobs > 0) {
            request.put("logprobs", true).put("top_logprobs", asking.topLogprobs);
        }
        return request;
    }

    /** @throws UserErrorException when the service gives no answer that can be used */
    Said ask(ObjectNode request) {
        return service.post(request, BYTES_PER_TOKEN * (asking.maxTokens + 16L), TeacherServer::read);
    }

    private static Said read(JsonNode json) throws UnusableAnswerException {
        JsonNode choice = json.path("choices").path(0);
        JsonNode content = choice.path("message").path("content");
        if (!content.isTextual() || content.asText().isBlank()) {
            throw new UnusableAnswerException(
                    "expected 'choices' with a message of text, it answered: " + Reasons.excerpt(Json.write(json)),
                    true);
        }
        List<Token> tokens = new ArrayList<>();
        for (JsonNode token : choice.path("logprobs").path("content")) {
            Map<String, Double> likeliest = new LinkedHashMap<>();
            put(likeliest, token);
            token.path("top_logprobs").forEach(word -> put(likeliest, word));
            tokens.add(new Token(text(token), likeliest));
        }
        return new Said(content.asText(), tokens);
    }

    private static void put(Map<String, Double> likeliest, JsonNode token) {
        double logprob = token.path("logprob").asDouble(Double.NaN);
        if (Double.isFinite(logprob) && logprob <= 0) {
            likeliest.putIfAbsent(text(token), logprob);
        }
    }

    /** Bytes are exact where a token is a part of a character only. */
    private static String text(JsonNode token) {
        JsonNode bytes = token.path("bytes");
        if (!bytes.isArray() || bytes.isEmpty()) {
            return token.path("token").asText();
        }
        byte[] all = new byte[bytes.size()];
        for (int i = 0; i < all.length; i++) {
            all[i] = (byte) bytes.get(i).asInt();
        }
        return new String(all, StandardCharsets.UTF_8);
    }
}
