package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;
import org.jspecify.annotations.Nullable;

/**
 * What KTO learns from: an answer and whether it is good, {@code label} (TRL) or {@code kto_tag} (LLaMA-Factory). The
 * answer is {@code completion} after {@code prompt}, or the last message of {@code messages} or {@code conversations}.
 */
public final class UnpairedPreferenceFormat implements RecordFormat {

    @Override
    public String name() {
        return "unpaired_preference";
    }

    @Override
    public List<String> keys() {
        return List.of(
                "label",
                "prompt",
                "completion",
                "messages",
                "conversations",
                "kto_tag",
                "system",
                "system_prompt",
                "tools",
                "functions");
    }

    @Override
    public boolean matches(JsonNode record) {
        boolean judged = judgement(record.path("label")) != null || judgement(record.path("kto_tag")) != null;
        return judged
                && ((record.has("prompt") && record.has("completion"))
                        || record.path("messages").isArray()
                        || record.path("conversations").isArray());
    }

    @Override
    public int detectionOrder() {
        return 21;
    }

    @Override
    public Example parse(JsonNode record) {
        String key = record.has("kto_tag") ? "kto_tag" : "label";
        JsonNode label = record.path(key);
        Boolean good = judgement(label);
        if (good == null) {
            throw new UserErrorException(
                    label.isMissingNode()
                            ? "the record has no 'label' (true for a good answer)"
                            : "'" + key + "' must be true or false, got "
                                    + label.getNodeType().name().toLowerCase(Locale.ROOT) + " "
                                    + RecordFields.shortened(label.toString()));
        }
        return new UnpairedPreference(example(record), good);
    }

    /** Tables in text have no types: there it is the word, as pandas or a database writes it. */
    private static @Nullable Boolean judgement(JsonNode label) {
        if (label.isBoolean()) {
            return label.booleanValue();
        }
        return switch (label.asText("").toLowerCase(Locale.ROOT)) {
            case "true" -> true;
            case "false" -> false;
            default -> null;
        };
    }

    private static Supervised example(JsonNode record) {
        if (record.has("completion")) {
            return PromptedAnswers.of(record, "completion");
        }
        String key = record.has("messages") || !record.has("conversations") ? "messages" : "conversations";
        List<Turn> turns = new ArrayList<>(MessageReader.messages(record, key));
        if (!turns.get(turns.size() - 1).isAssistant()) {
            throw new UserErrorException("the last message must be the assistant's, it is the answer that was judged");
        }
        return new Conversation(turns, turns.size() - 1, ToolReader.tools(record))
                .withSystem(PromptedAnswers.system(record));
    }
}
