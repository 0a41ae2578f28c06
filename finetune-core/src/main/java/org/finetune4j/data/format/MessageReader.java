package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;
import org.jspecify.annotations.Nullable;

/**
 * Reads lists of messages, in OpenAI's words ({@code role}, {@code content}) or ShareGPT's ({@code from},
 * {@code value}). A key whose value is null counts as absent. A key that is a known one misspelt, or asks for what is not
 * possible, is an error; others that are not known are told by {@link UnusedKeys}.
 */
final class MessageReader {

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

    /** Axolotl's train, OpenAI's weight, LLaMA-Factory's loss_weight, AgentInstruct's loss. */
    private static final List<String> TRAIN = List.of("train", "training", "weight", "loss_weight", "loss");

    private static final List<String> REASONING = List.of("reasoning_content", "reasoning", "thinking");

    /** Keys that ask for what is not possible; without a word they would change what is learned. */
    private static final Map<String, String> REFUSED = Map.of(
            "train_detail", "parts of a message cannot be learned apart; set 'train' for the whole message",
            "training_detail", "parts of a message cannot be learned apart; set 'train' for the whole message",
            "refusal", "write the refusal as the message's 'content'",
            "audio", "messages are text only",
            "images", "messages are text only",
            "videos", "messages are text only");

    /** Keys that a message may have; a misspelling of one that it must have is found as that is missing. */
    private static final List<String> OPTIONAL_KEYS = Stream.of(
                    List.of("name", "tool_calls", "tool_call_id", "function_call"), REASONING, TRAIN)
            .flatMap(List::stream)
            .toList();

    /** What is read of a message. */
    static final Set<String> KEYS = Stream.concat(Stream.of("role", "from", "content", "value"), OPTIONAL_KEYS.stream())
            .collect(Collectors.toUnmodifiableSet());

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
            JsonNode element = RecordFields.withoutNulls(list.get(i));
            KnownColumns.Pair pair = element.has("role") || element.has("from") ? null : KnownColumns.onlyPair(element);
            if (pair == null) {
                turns.add(message(element, key + "[" + i + "]"));
            } else {
                turns.add(Turn.user(element.path(pair.prompt()).textValue()));
                turns.add(Turn.assistant(element.path(pair.answer()).textValue()));
            }
        }
        return turns;
    }

    /** One message, or a text that stands for a message of {@code role}, or a list of messages. */
    static List<Turn> messagesOrText(JsonNode record, String key, String role) {
        JsonNode value = record.path(key);
        if (value.isTextual()) {
            return List.of(Turn.of(role, value.textValue()));
        }
        return value.isObject() ? List.of(message(RecordFields.withoutNulls(value), key)) : messages(record, key);
    }

    /** The role that a message's {@code role} or {@code from} means, or null when it is none that is known. */
    static @Nullable String role(JsonNode message) {
        JsonNode said = message.path(message.has("from") ? "from" : "role");
        return said.isTextual() ? ROLES.get(said.textValue().toLowerCase(Locale.ROOT)) : null;
    }

    private static Turn message(JsonNode message, String place) {
        if (!message.isObject()) {
            throw new UserErrorException(place + " must be a message, got " + kind(message));
        }
        checkKeys(message, place);
        String roleKey = message.has("from") ? "from" : "role";
        JsonNode said = message.path(roleKey);
        if (!said.isTextual()) {
            throw new UserErrorException(place + " has no 'role' (or 'from')" + nearest(message, "role"));
        }
        String role = role(message);
        if (role == null) {
            throw new UserErrorException(place + ": '" + roleKey + "' is " + said.textValue()
                    + ", expected system, user, assistant or tool"
                    + Suggestions.didYouMean(said.textValue(), ROLES.keySet()));
        }
        boolean isCall = said.textValue().equals("function_call");
        Parts parts = Parts.of(message, place);
        JsonNode calls = isCall ? ToolReader.parseCalls(parts.text(), place) : calls(message, role, parts, place);
        if (parts.isMissing() && calls == null) {
            throw new UserErrorException(place + " has no 'content' (or 'value')" + nearest(message, "content"));
        }
        Boolean train = train(message, place);
        return new Turn(
                role,
                isCall ? "" : parts.text(),
                parts.reasoning() != null ? parts.reasoning() : reasoning(message, place),
                calls,
                text(message, "name"),
                text(message, "tool_call_id"),
                role.equals(Turn.ASSISTANT) ? train : null);
    }

    private static void checkKeys(JsonNode message, String place) {
        message.fieldNames().forEachRemaining(key -> {
            String reason = REFUSED.get(key);
            if (reason != null) {
                throw new UserErrorException(place + ": '" + key + "': " + reason);
            }
            if (!KEYS.contains(key)) {
                UnusedKeys.misspelt(key, OPTIONAL_KEYS)
                        .filter(known -> !message.has(known))
                        .ifPresent(known -> {
                            throw new UserErrorException(place + ": unknown key '" + RecordFields.shortened(key)
                                    + "'; did you mean '" + known + "'?");
                        });
            }
        });
    }

    private static @Nullable JsonNode calls(JsonNode message, String role, Parts parts, String place) {
        JsonNode calls = ToolReader.calls(message.path("tool_calls"), place);
        if (message.has("function_call")) {
            if (calls != null) {
                throw new UserErrorException(place + ": give one of 'tool_calls' and 'function_call'");
            }
            calls = ToolReader.formerCall(message.path("function_call"), place);
        }
        calls = calls == null ? parts.toolCalls() : calls;
        if (calls != null && !role.equals(Turn.ASSISTANT)) {
            throw new UserErrorException(place + ": only the assistant calls tools, this message is of the " + role);
        }
        return calls;
    }

    /** Whether a message says that it is learned; null where it does not say. */
    private static @Nullable Boolean train(JsonNode message, String place) {
        Boolean train = null;
        String decided = "";
        for (String key : TRAIN) {
            if (!message.has(key)) {
                continue;
            }
            boolean value = flag(message.path(key), key, place);
            if (train != null && train != value) {
                throw new UserErrorException(place + ": '" + decided + "' and '" + key + "' say different things");
            }
            train = value;
            decided = key;
        }
        return train;
    }

    private static boolean flag(JsonNode value, String key, String place) {
        if (value.isBoolean()) {
            return value.booleanValue();
        }
        if (value.isNumber() && (value.doubleValue() == 0 || value.doubleValue() == 1)) {
            return value.doubleValue() == 1;
        }
        throw new UserErrorException(
                place + ": '" + key + "' must be true, false, 0 or 1, got " + RecordFields.shortened(value.toString()));
    }

    private static @Nullable String reasoning(JsonNode message, String place) {
        Set<String> texts = new LinkedHashSet<>();
        for (String key : REASONING) {
            String text = text(message, key);
            if (text != null) {
                texts.add(text);
            }
        }
        if (texts.size() > 1) {
            throw new UserErrorException(place + ": give one of " + String.join(", ", REASONING));
        }
        return texts.isEmpty() ? null : texts.iterator().next();
    }

    /** Whether a message asks to be learned. */
    static boolean asksToBeLearned(JsonNode message) {
        return TRAIN.stream()
                .map(message::path)
                .anyMatch(value -> value.isBoolean() ? value.booleanValue() : value.isNumber() && value.asInt() == 1);
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
            if (content.isMissingNode()) {
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
                    case "tool_call" -> calls.addAll(ToolReader.parseCalls(value, place));
                    default ->
                        throw new UserErrorException(
                                place + ": a part of type '" + RecordFields.shortened(type) + "', expected text only");
                }
            }
            return new Parts(
                    text.toString(),
                    reasoning.isEmpty() ? null : reasoning.toString(),
                    calls.isEmpty() ? null : calls,
                    false);
        }
    }

    private static @Nullable String text(JsonNode message, String key) {
        JsonNode value = message.path(key);
        return value.isTextual() ? value.textValue() : null;
    }

    static String nearest(JsonNode record, String key) {
        return RecordFields.nearest(record, key);
    }

    static String kind(JsonNode node) {
        return node.getNodeType().name().toLowerCase(Locale.ROOT);
    }
}
