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

    /** The role of what says how to behave. */
    public static final String SYSTEM = "system";
    /** The role of who asks. */
    public static final String USER = "user";
    /** The role of the model. */
    public static final String ASSISTANT = "assistant";
    /** The role of what a tool answers. */
    public static final String TOOL = "tool";

    /**
     * Refuses a turn without role or content.
     *
     * @param role {@code system}, {@code user}, {@code assistant} or {@code tool}
     * @param content its text
     * @param reasoning what the assistant thought before, where the dataset has it apart
     * @param toolCalls OpenAI's {@code tool_calls} array, or null
     * @param name the tool that a {@code tool} message comes from, or null
     * @param toolCallId the call that a {@code tool} message answers, or null
     * @param train whether the message is learned, where the dataset says so; null: as the run decides
     */
    public Turn {
        Objects.requireNonNull(role, "role");
        Objects.requireNonNull(content, "content");
    }

    /**
     * {@return a message of text only}
     *
     * @param role {@code system}, {@code user}, {@code assistant} or {@code tool}
     * @param content its text
     */
    public static Turn of(String role, String content) {
        return new Turn(role, content, null, null, null, null, null);
    }

    /**
     * {@return a message of text only that says how to behave}
     *
     * @param content its text
     */
    public static Turn system(String content) {
        return of(SYSTEM, content);
    }

    /**
     * {@return a message of text only that asks}
     *
     * @param content its text
     */
    public static Turn user(String content) {
        return of(USER, content);
    }

    /**
     * {@return an answer of text only}
     *
     * @param content its text
     */
    public static Turn assistant(String content) {
        return of(ASSISTANT, content);
    }

    /** {@return whether this is the assistant's message} */
    public boolean isAssistant() {
        return role.equals(ASSISTANT);
    }
}
