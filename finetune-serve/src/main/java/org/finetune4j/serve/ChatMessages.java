package org.finetune4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.ChatMessage;
import org.jspecify.annotations.Nullable;

/** Makes a template's messages of OpenAI's. */
final class ChatMessages {

    private static final List<String> KEPT = List.of("name", "tool_call_id", "reasoning_content");

    private ChatMessages() {}

    static List<ChatMessage> of(RequestFields fields) {
        JsonNode messages = fields.node("messages");
        if (messages.isMissingNode()) {
            throw ApiException.invalid("messages", "missing_required_parameter", "'messages' is missing");
        }
        if (!messages.isArray() || messages.isEmpty()) {
            throw fields.wrong("messages", "a list with at least one message");
        }
        List<ChatMessage> all = new ArrayList<>();
        for (JsonNode message : messages) {
            all.add(message("messages[" + all.size() + "]", message));
        }
        return all;
    }

    private static ChatMessage message(String place, JsonNode node) {
        if (!(node instanceof ObjectNode message) || !node.path("role").isTextual()) {
            throw ApiException.invalid(
                    place,
                    place + " is " + Reasons.excerpt(node.toString())
                            + ", expected an object with 'role' and 'content'");
        }
        String role = message.path("role").textValue();
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("role", role.equals("developer") ? "system" : role);
        JsonNode calls = message.path("tool_calls");
        boolean hasCalls = calls.isArray() && !calls.isEmpty();
        String content = content(place + ".content", message.path("content"));
        if (content == null && !hasCalls) {
            throw ApiException.invalid(place + ".content", place + " has no 'content'");
        }
        fields.put("content", content == null ? "" : content);
        for (String key : KEPT) {
            JsonNode value = message.path(key);
            if (value.isTextual()) {
                fields.put(key, value.textValue());
            }
        }
        if (hasCalls) {
            fields.put("tool_calls", calls(place, calls));
        }
        return new ChatMessage(fields);
    }

    private static @Nullable String content(String place, JsonNode content) {
        if (content.isMissingNode() || content.isNull()) {
            return null;
        }
        if (content.isTextual()) {
            return content.textValue();
        }
        if (!content.isArray()) {
            throw ApiException.invalid(place, place + " must be a text, or a list of parts");
        }
        StringBuilder text = new StringBuilder();
        for (JsonNode part : content) {
            String type = part.path("type").asText("");
            if (!type.equals("text") || !part.path("text").isTextual()) {
                throw ApiException.invalid(
                        place,
                        place + " has a part '" + Reasons.excerpt(type) + "': only those of type 'text' are read");
            }
            text.append(part.path("text").textValue());
        }
        return text.toString();
    }

    /** OpenAI has arguments as a text with JSON; templates expect what it says. */
    private static List<Object> calls(String place, JsonNode calls) {
        for (JsonNode call : calls) {
            if (!(call.path("function") instanceof ObjectNode function)
                    || !function.path("name").isTextual()) {
                throw ApiException.invalid(
                        place + ".tool_calls", place + ".tool_calls: each needs a 'function' with a 'name'");
            }
            JsonNode arguments = function.path("arguments");
            if (arguments.isTextual()) {
                try {
                    function.set("arguments", Json.parseObject(arguments.textValue(), "arguments"));
                } catch (UserErrorException e) {
                    // Then the template gets the text.
                }
            }
        }
        return Json.toList(calls);
    }
}
