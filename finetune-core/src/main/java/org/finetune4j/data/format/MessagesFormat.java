package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.data.RecordFields;

/**
 * OpenAI's chat format, as TRL reads it too: {@code messages} with {@code role} and {@code content}, optional
 * {@code tools}. A message may say whether it is learned: {@code train}, {@code weight} or {@code loss_weight}.
 */
public final class MessagesFormat implements RecordFormat {

    @Override
    public String name() {
        return "messages";
    }

    @Override
    public List<String> keys() {
        return List.of("messages", "system", "system_prompt", "tools", "functions");
    }

    @Override
    public boolean matches(JsonNode record) {
        return record.path("messages").isArray();
    }

    @Override
    public int detectionOrder() {
        return 41;
    }

    @Override
    public Example parse(JsonNode record) {
        if (!record.has("messages")) {
            RecordFields.requiredString(record, "messages"); // says what there is instead
        }
        return new Conversation(MessageReader.messages(record, "messages"), 0, ToolReader.tools(record))
                .withSystem(PromptedAnswers.system(record));
    }
}
