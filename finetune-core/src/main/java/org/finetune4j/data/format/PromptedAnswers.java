package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;

/** Reads a prompt and one of its answers, each as a text or as messages, from the keys that the formats share. */
final class PromptedAnswers {

    private static final List<String> MESSAGE_KEYS = List.of("conversations", "messages", "prompt");

    private PromptedAnswers() {}

    /**
     * The prompt of a record with the answer under {@code answerKey}.
     *
     * @throws UserErrorException when either is missing, or one is a text and the other messages
     */
    static Supervised of(JsonNode record, String answerKey) {
        if (!record.has(answerKey)) {
            RecordFields.requiredString(record, answerKey); // says what there is instead
        }
        for (String key : MESSAGE_KEYS) {
            if (record.path(key).isArray()) {
                return conversation(record, key, answerKey);
            }
        }
        if (record.has("instruction")) {
            return new Instruction(
                    RecordFields.requiredString(record, "instruction"),
                    RecordFields.optionalString(record, "input"),
                    RecordFields.requiredString(record, answerKey));
        }
        String prompt = RecordFields.requiredString(record, "prompt");
        String system = system(record);
        JsonNode answer = record.path(answerKey);
        if (answer.isTextual() && system.isEmpty()) {
            return new PromptCompletion(prompt, answer.textValue());
        }
        List<Turn> turns = new ArrayList<>();
        turns.add(Turn.user(prompt));
        turns.addAll(MessageReader.messagesOrText(record, answerKey, Turn.ASSISTANT));
        return new Conversation(turns, 1, ToolReader.tools(record)).withSystem(system);
    }

    private static Conversation conversation(JsonNode record, String promptKey, String answerKey) {
        List<Turn> prompt = MessageReader.messages(record, promptKey);
        List<Turn> turns = new ArrayList<>(prompt);
        turns.addAll(MessageReader.messagesOrText(record, answerKey, Turn.ASSISTANT));
        return new Conversation(turns, prompt.size(), ToolReader.tools(record)).withSystem(system(record));
    }

    /** The system message of a record, which some datasets call {@code system_prompt}; empty when there is none. */
    static String system(JsonNode record) {
        return RecordFields.optionalString(
                record, record.has("system_prompt") && !record.has("system") ? "system_prompt" : "system");
    }
}
