package org.finetune4j.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.internal.JsonSchemaElementUtils;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.chat.ChatMessage;
import org.jspecify.annotations.Nullable;

/** Makes a chat template's messages and tools of LangChain4j's. */
final class Conversation {

    private Conversation() {}

    static List<ChatMessage> messages(List<dev.langchain4j.data.message.ChatMessage> messages) {
        return messages.stream().map(Conversation::message).toList();
    }

    private static ChatMessage message(dev.langchain4j.data.message.ChatMessage message) {
        if (message instanceof SystemMessage system) {
            return ChatMessage.system(system.text());
        }
        if (message instanceof UserMessage user) {
            return ChatMessage.user(text(user.contents()));
        }
        if (message instanceof AiMessage answer) {
            return answer(answer);
        }
        if (message instanceof ToolExecutionResultMessage result) {
            Map<String, Object> fields = new LinkedHashMap<>();
            fields.put("role", "tool");
            fields.put("content", text(result.contents()));
            fields.put("name", result.toolName());
            if (result.id() != null) {
                fields.put("tool_call_id", result.id());
            }
            return new ChatMessage(fields);
        }
        throw new UnsupportedFeatureException(
                "messages of the type " + message.type() + " are not supported: the model reads texts");
    }

    private static String text(List<Content> contents) {
        StringBuilder text = new StringBuilder();
        for (Content content : contents) {
            if (!(content instanceof TextContent part)) {
                throw new UnsupportedFeatureException(
                        "contents of the type " + content.type() + " are not supported: the model reads texts");
            }
            text.append(part.text());
        }
        return text.toString();
    }

    private static ChatMessage answer(AiMessage answer) {
        String text = answer.text() == null ? "" : answer.text();
        if (!answer.hasToolExecutionRequests()) {
            return ChatMessage.assistant(text);
        }
        List<Object> calls = new ArrayList<>();
        for (ToolExecutionRequest request : answer.toolExecutionRequests()) {
            Map<String, Object> call = new LinkedHashMap<>();
            if (request.id() != null) {
                call.put("id", request.id());
            }
            call.put("type", "function");
            call.put("function", Map.of("name", request.name(), "arguments", arguments(request.arguments())));
            calls.add(call);
        }
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("role", "assistant");
        fields.put("content", text);
        fields.put("tool_calls", calls);
        return new ChatMessage(fields);
    }

    /** Templates expect what the JSON says; what is none, they get as it is. */
    private static Object arguments(@Nullable String json) {
        if (json == null || json.isBlank()) {
            return Map.of();
        }
        try {
            return Json.toMap(Json.parseObject(json, "arguments"));
        } catch (UserErrorException e) {
            return json;
        }
    }

    static List<Map<String, @Nullable Object>> tools(List<ToolSpecification> specifications) {
        List<Map<String, @Nullable Object>> tools = new ArrayList<>();
        for (ToolSpecification specification : specifications) {
            Map<String, @Nullable Object> function = new LinkedHashMap<>();
            function.put("name", specification.name());
            function.put("description", specification.description() == null ? "" : specification.description());
            function.put(
                    "parameters",
                    specification.parameters() == null
                            ? Map.of("type", "object", "properties", Map.of())
                            : JsonSchemaElementUtils.toMap(specification.parameters()));
            Map<String, @Nullable Object> tool = new LinkedHashMap<>();
            tool.put("type", "function");
            tool.put("function", function);
            tools.add(tool);
        }
        return tools;
    }
}
