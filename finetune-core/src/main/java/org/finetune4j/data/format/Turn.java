package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One message of a conversation.
 *
 * @param role {@code system}, {@code user}, {@code assistant} or {@code tool}
 * @param content its text; empty where the assistant only calls tools
 * @param reasoning what the assistant thought before, where the dataset has it apart
 * @param toolCalls OpenAI's {@code tool_calls} array, or null
 * @param name the tool that a {@code tool} message comes from, or null
 * @param toolCallId the call that a {@code tool} message answers, or null
 * @param train whether the message is learned, where the dataset says so; null: as the run decides
 */
public record Turn(
        String role,
        String content,
        @Nullable String reasoning,
        @Nullable JsonNode toolCalls,
        @Nullable String name,
        @Nullable String toolCallId,
        @Nullable Boolean train) {

    public static final String SYSTEM = "system";
    public static final String USER = "user";
    public static final String ASSISTANT = "assistant";
    public static final String TOOL = "tool";

    public Turn {
        Objects.requireNonNull(role, "role");
        Objects.requireNonNull(content, "content");
    }

    /** A message of text only. */
    public static Turn of(String role, String content) {
        return new Turn(role, content, null, null, null, null, null);
    }

    public static Turn system(String content) {
        return of(SYSTEM, content);
    }

    public static Turn user(String content) {
        return of(USER, content);
    }

    public static Turn assistant(String content) {
        return of(ASSISTANT, content);
    }

    public boolean isAssistant() {
        return role.equals(ASSISTANT);
    }
}
