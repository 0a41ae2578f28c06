package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Reads tools and calls of tools, in OpenAI's present and former words and in ShareGPT's. */
final class ToolReader {

    private ToolReader() {}

    /**
     * The tools under {@code tools}, or under {@code functions} as OpenAI called them first: OpenAI's array, bare
     * functions, or either written as text; null when there are none.
     */
    static @Nullable JsonNode tools(JsonNode record) {
        String key = record.has("tools") || !record.has("functions") ? "tools" : "functions";
        JsonNode tools = record.path(key);
        if (tools.isTextual()) {
            tools = tools.textValue().isBlank()
                    ? JsonNodeFactory.instance.nullNode()
                    : parse(tools.textValue(), "'" + key + "'");
        }
        if (tools.isMissingNode() || tools.isNull() || tools.isEmpty()) {
            return null;
        }
        if (!tools.isArray()) {
            throw new UserErrorException("'" + key + "' must be a list of functions, got " + MessageReader.kind(tools));
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

    /** OpenAI's {@code tool_calls}; null when there are none. */
    static @Nullable JsonNode calls(JsonNode calls, String place) {
        if (calls.isMissingNode() || (calls.isContainerNode() && calls.isEmpty())) {
            return null;
        }
        if (!calls.isArray()) {
            throw new UserErrorException(place + ": 'tool_calls' must be a list, got " + MessageReader.kind(calls));
        }
        JsonNode copy = calls.deepCopy();
        for (JsonNode call : copy) {
            argumentsAsObject(call.path("function"));
        }
        return copy;
    }

    /** OpenAI's former {@code function_call}: a call, or one written as JSON. */
    static JsonNode formerCall(JsonNode call, String place) {
        if (call.isTextual()) {
            return parseCalls(call.textValue(), place);
        }
        return wrapped(JsonNodeFactory.instance.arrayNode().add(call.deepCopy()), place);
    }

    /** Calls written as JSON: <code>{"name": ..., "arguments": {...}}</code>, or a list of these. */
    static ArrayNode parseCalls(String text, String place) {
        JsonNode parsed = parse(text, place + ": a tool call");
        return wrapped(
                parsed.isArray() ? parsed : JsonNodeFactory.instance.arrayNode().add(parsed), place);
    }

    private static ArrayNode wrapped(JsonNode list, String place) {
        ArrayNode calls = JsonNodeFactory.instance.arrayNode();
        for (JsonNode call : list) {
            if (!call.path("name").isTextual()) {
                throw new UserErrorException(
                        place + ": a tool call has no 'name'" + MessageReader.nearest(call, "name"));
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
                JsonNode parsed = Json.parse(arguments.textValue(), "arguments");
                if (parsed.isObject()) {
                    object.set("arguments", parsed);
                }
            } catch (UserErrorException e) {
                // A text that is no JSON stays what it is.
            }
        }
    }

    private static JsonNode parse(String text, String what) {
        return Json.parse(text, what);
    }
}
