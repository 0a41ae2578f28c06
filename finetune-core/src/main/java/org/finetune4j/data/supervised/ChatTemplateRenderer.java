package org.finetune4j.data.supervised;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.data.format.Conversation;
import org.finetune4j.data.format.Turn;
import org.finetune4j.model.chat.ChatMessage;
import org.finetune4j.model.chat.ChatOptions;
import org.finetune4j.model.chat.ChatTemplate;
import org.finetune4j.model.chat.RenderedChat;
import org.jspecify.annotations.Nullable;

/** Puts conversations into the words of a model's own chat template. */
public final class ChatTemplateRenderer implements ConversationRenderer {

    private final ChatTemplate template;

    /**
     * Renders with a template.
     *
     * @param template the model's own, or another
     */
    public ChatTemplateRenderer(ChatTemplate template) {
        this.template = template;
    }

    @Override
    public RenderedConversation render(Conversation conversation) {
        List<ChatMessage> messages =
                conversation.turns().stream().map(ChatTemplateRenderer::message).toList();
        RenderedChat chat =
                template.renderWithSpans(messages, ChatOptions.none().withTools(list(conversation.tools())));
        List<RenderedConversation.Span> spans = chat.spans().stream()
                .map(span -> new RenderedConversation.Span(span.message(), span.start(), span.end()))
                .toList();
        return new RenderedConversation(chat.text(), spans);
    }

    private static ChatMessage message(Turn turn) {
        Map<String, @Nullable Object> fields = new LinkedHashMap<>();
        fields.put("role", turn.role());
        fields.put("content", turn.content());
        if (turn.reasoning() != null) {
            fields.put("reasoning_content", turn.reasoning());
        }
        if (turn.toolCalls() != null) {
            fields.put("tool_calls", list(turn.toolCalls()));
        }
        if (turn.name() != null) {
            fields.put("name", turn.name());
        }
        if (turn.toolCallId() != null) {
            fields.put("tool_call_id", turn.toolCallId());
        }
        return new ChatMessage(fields);
    }

    private static @Nullable List<Object> list(@Nullable JsonNode array) {
        return array == null ? null : Json.toList(array);
    }
}
