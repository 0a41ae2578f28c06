package org.finetune4j.data.format;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.Reasons;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Reads lists of messages, in OpenAI's words ({@code role}, {@code content}) or ShareGPT's ({@code from},
 * {@code value}), and tools.
 */
final class MessageReader {

    private static final ObjectMapper JSON = new ObjectMapper();

    private static final Map<String, String> ROLES = Map.ofEntries(
            Map.entry("system", Turn.SYSTEM),
            Map.entry("developer", Turn.SYSTEM),
            Map.entry("user", Turn.USER),
            Map.entry("human", Turn.USER),
            Map.entry("assistant", Turn.ASSISTANT),
            Map.entry("gpt", Turn.ASSISTANT),
            Map.entry("chatgpt", Turn.ASSISTANT),
            Map.entry("bing", Turn.ASSISTANT),
            Map.entry("bard", Turn.ASSISTANT),
            Map.entry("model", Turn.ASSISTANT),
            Map.entry("function_call", Turn.ASSISTANT),
            Map.entry("tool", Turn.TOOL),
            Map.entry("function", Turn.TOOL),
            Map.entry("observation", Turn.TOOL));

    private MessageReader() {}

    /** The messages under {@code key}, which must be there. */
    static List<Turn> messages(JsonNode record, String key) {
        JsonNode list = record.path(key);
        if (!list.isArray()) {
            throw new UserErrorException("'" + key + "' must be a list of messages, got " + kind(list));
        }
        return all(list, key);
    }

    private static List<Turn> all(JsonNode list, String key) {
        if (list.isEmpty()) {
            throw new UserErrorException("'" + key + "' is empty, expected at least one message");
        }
        List<Turn> turns = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            turns.add(message(list.get(i), key + "[" + i + "]"));
        }
        return turns;
    }

    /** One message, or a text that stands for a message of {@code role}, or a list of messages. */
    static List<Turn> messagesOrText(JsonNode record, String key, String role) {
        JsonNode value = record.path(key);
        if (value.isTextual()) {
            return List.of(Turn.of(role, value.textValue()));
        }
        return value.isObject() ? List.of(message(value, key)) : messages(record, key);
    }

    private static Turn message(JsonNode message, String place) {
        if (!message.isObject()) {
            throw new UserErrorException(place + " must be a message, got " + kind(message));
        }
        String roleKey = message.has("from") ? "from" : "role";
        JsonNode said = message.path(roleKey);
        if (!said.isTextual()) {
            throw new UserErrorException(place + " has no 'role' (or 'from')" + nearest(message, "role"));
        }
        String role = ROLES.get(said.textValue().toLowerCase(Locale.ROOT));
        if (role == null) {
            throw new UserErrorException(place + ": '" + roleKey + "' is " + said.textValue()
                    + ", expected system, user, assistant or tool"
                    + Suggestions.didYouMean(said.textValue(), ROLES.keySet()));
        }
        boolean isCall = said.textValue().equals("function_call");
        Parts parts = Parts.of(message, place);
        JsonNode calls =
                isCall ? parseCalls(parts.text(), place) : array(message.path("tool_calls"), parts.toolCalls());
        if (parts.isMissing() && calls == null) {
            throw new UserErrorException(place + " has no 'content' (or 'value')" + nearest(message, "content"));
        }
        return new Turn(
                role,
                isCall ? "" : parts.text(),
                parts.reasoning() != null ? parts.reasoning() : text(message, "reasoning_content"),
                calls,
                text(message, "name"),
                text(message, "tool_call_id"),
                train(message, place));
    }

    private static @Nullable JsonNode array(JsonNode calls, @Nullable ArrayNode otherwise) {
        if (!calls.isArray() || calls.isEmpty()) {
            return otherwise;
        }
        JsonNode copy = calls.deepCopy();
        for (JsonNode call : copy) {
            argumentsAsObject(call.path("function"));
        }
        return copy;
    }

    /** Whether a message says that it is learned: axolotl's train, OpenAI's weight, LLaMA-Factory's loss_weight. */
    private static @Nullable Boolean train(JsonNode message, String place) {
        for (String key : List.of("train", "weight", "loss_weight")) {
            JsonNode value = message.path(key);
            if (value.isBoolean()) {
                return value.booleanValue();
            }
            if (value.isNumber() && (value.doubleValue() == 0 || value.doubleValue() == 1)) {
                return value.doubleValue() == 1;
            }
            if (!value.isMissingNode() && !value.isNull()) {
                throw new UserErrorException(place + ": '" + key + "' must be true, false, 0 or 1, got " + value);
            }
        }
        return null;
    }

    /**
     * The content of a message, which may be in parts.
     *
     * @param isMissing whether there is no content at all
     */
    private record Parts(
            String text,
            @Nullable String reasoning,
            @Nullable ArrayNode toolCalls,
            boolean isMissing) {

        static Parts of(JsonNode message, String place) {
            JsonNode content = message.has("value") ? message.path("value") : message.path("content");
            if (content.isMissingNode() || content.isNull()) {
                return new Parts("", null, null, true);
            }
            if (content.isTextual()) {
                return new Parts(content.textValue(), null, null, false);
            }
            if (!content.isArray()) {
                throw new UserErrorException(
                        place + ": the content must be a text or a list of parts, got " + kind(content));
            }
            StringBuilder text = new StringBuilder();
            StringBuilder reasoning = new StringBuilder();
            ArrayNode calls = JsonNodeFactory.instance.arrayNode();
            for (JsonNode part : content) {
                String type = part.path("type").asText("text");
                String value = part.path("text").asText(part.path("value").asText(""));
                switch (type) {
                    case "text", "input_text", "output_text" -> text.append(value);
                    case "reasoning", "thinking" -> reasoning.append(value);
                    case "tool_call" -> calls.addAll(parseCalls(value, place));
                    default ->
                        throw new UserErrorException(place + ": a part of type '" + type + "', expected text only");
                }
            }
            return new Parts(
                    text.toString(),
                    reasoning.isEmpty() ? null : reasoning.toString(),
                    calls.isEmpty() ? null : calls,
                    false);
        }
    }

    /** Calls written as JSON: <code>{"name": ..., "arguments": {...}}</code>, or a list of these. */
    private static ArrayNode parseCalls(String text, String place) {
        JsonNode parsed = parse(text, place + ": a tool call");
        ArrayNode calls = JsonNodeFactory.instance.arrayNode();
        for (JsonNode call :
                parsed.isArray() ? parsed : JsonNodeFactory.instance.arrayNode().add(parsed)) {
            if (!call.path("name").isTextual()) {
                throw new UserErrorException(place + ": a tool call has no 'name'" + nearest(call, "name"));
            }
            ObjectNode wrapped = calls.addObject().put("type", "function");
            argumentsAsObject(call);
            wrapped.set("function", call);
        }
        return calls;
    }

    /** OpenAI writes arguments as JSON in a text; chat templates expect them as an object. */
    private static void argumentsAsObject(JsonNode function) {
        JsonNode arguments = function.path("arguments");
        if (function instanceof ObjectNode object && arguments.isTextual()) {
            try {
                JsonNode parsed = JSON.readTree(arguments.textValue());
                if (parsed.isObject()) {
                    object.set("arguments", parsed);
                }
            } catch (JsonProcessingException e) {
                // A text that is no JSON stays what it is.
            }
        }
    }

    /**
     * The tools under {@code tools}: OpenAI's array, bare functions, or either written as text; null when there are none.
     */
    static @Nullable JsonNode tools(JsonNode record) {
        JsonNode tools = record.path("tools");
        if (tools.isTextual()) {
            tools = tools.textValue().isBlank()
                    ? JsonNodeFactory.instance.nullNode()
                    : parse(tools.textValue(), "'tools'");
        }
        if (tools.isMissingNode() || tools.isNull() || tools.isEmpty()) {
            return null;
        }
        if (!tools.isArray()) {
            throw new UserErrorException("'tools' must be a list of functions, got " + kind(tools));
        }
        ArrayNode all = JsonNodeFactory.instance.arrayNode();
        for (JsonNode tool : tools) {
            if (tool.has("function")) {
                all.add(tool);
            } else {
                all.addObject().put("type", "function").set("function", tool);
            }
        }
        return all;
    }

    private static JsonNode parse(String text, String what) {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            throw new UserErrorException(what + " is not JSON: " + Reasons.oneLine(e.getOriginalMessage()), e);
        }
    }

    private static @Nullable String text(JsonNode message, String key) {
        JsonNode value = message.path(key);
        return value.isTextual() ? value.textValue() : null;
    }

    private static String nearest(JsonNode record, String key) {
        List<String> keys = new ArrayList<>();
        record.fieldNames().forEachRemaining(keys::add);
        return Suggestions.nearest(key, keys)
                .map(name -> ", but a '" + name + "'")
                .orElse("; its keys are " + keys);
    }

    private static String kind(JsonNode node) {
        return node.getNodeType().name().toLowerCase(Locale.ROOT);
    }
}
