package org.finetune4j.model.chat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One message of a conversation, as a template sees it: {@code role}, {@code content}, and whatever else the template may
 * ask for, such as {@code tool_calls}, {@code tool_call_id}, {@code name} or {@code reasoning_content}. Values are texts,
 * numbers, truth values, null, lists and maps.
 *
 * @param fields by name, in their order
 */
public record ChatMessage(Map<String, @Nullable Object> fields) {

    /**
     * Checks the role.
     *
     * @param fields role, content and whatever else the template reads
     * @throws IllegalArgumentException when there is none
     */
    public ChatMessage {
        fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
        if (!(fields.get("role") instanceof String)) {
            throw new IllegalArgumentException("a message needs a role: " + fields);
        }
    }

    /**
     * A message of text only.
     *
     * @param role who speaks, such as {@code tool}
     * @param content what is said
     * @return the message
     */
    public static ChatMessage of(String role, String content) {
        Map<String, @Nullable Object> fields = new LinkedHashMap<>();
        fields.put("role", role);
        fields.put("content", content);
        return new ChatMessage(fields);
    }

    /**
     * A message of the role {@code system}.
     *
     * @param content what the conversation is under
     * @return the message
     */
    public static ChatMessage system(String content) {
        return of("system", content);
    }

    /**
     * A message of the role {@code user}.
     *
     * @param content what is asked
     * @return the message
     */
    public static ChatMessage user(String content) {
        return of("user", content);
    }

    /**
     * A message of the role {@code assistant}.
     *
     * @param content what is answered
     * @return the message
     */
    public static ChatMessage assistant(String content) {
        return of("assistant", content);
    }

    /**
     * Who speaks.
     *
     * @return such as {@code user}
     */
    public String role() {
        return String.valueOf(fields.get("role"));
    }

    /**
     * The text.
     *
     * @return empty where there is none, or it is in parts
     */
    public String content() {
        return fields.get("content") instanceof String text ? text : "";
    }

    /** The same message with another text. */
    ChatMessage withContent(String content) {
        Map<String, @Nullable Object> changed = new LinkedHashMap<>(fields);
        changed.put("content", content);
        return new ChatMessage(changed);
    }

    /** The same message with another name of the first function it calls. */
    ChatMessage withCalledFunction(String name) {
        Map<String, @Nullable Object> changed = new LinkedHashMap<>(fields);
        if (fields.get("tool_calls") instanceof List<?> calls && !calls.isEmpty()) {
            List<@Nullable Object> others = new ArrayList<>(calls);
            others.set(0, renamed(calls.get(0), name));
            changed.put("tool_calls", others);
        }
        return new ChatMessage(changed);
    }

    private static @Nullable Object renamed(@Nullable Object call, String name) {
        if (!(call instanceof Map<?, ?> map)) {
            return call;
        }
        Map<Object, @Nullable Object> changed = new LinkedHashMap<>(map);
        if (map.containsKey("function")) {
            changed.put("function", renamed(map.get("function"), name));
        } else {
            changed.put("name", name);
        }
        return changed;
    }
}
