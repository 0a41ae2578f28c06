package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.data.RecordFields;

/**
 * ShareGPT: {@code conversations}, a list of messages with {@code from} ({@code human}, {@code gpt}, {@code system},
 * {@code function_call}, {@code observation}) and {@code value}; optional {@code system} and {@code tools}.
 */
public final class ShareGptFormat implements RecordFormat {

    @Override
    public String name() {
        return "sharegpt";
    }

    @Override
    public List<String> keys() {
        return List.of("conversations", "system", "system_prompt", "tools", "functions");
    }

    @Override
    public boolean matches(JsonNode record) {
        return record.path("conversations").isArray();
    }

    @Override
    public int detectionOrder() {
        return 40;
    }

    @Override
    public Example parse(JsonNode record) {
        if (!record.has("conversations")) {
            RecordFields.requiredString(record, "conversations"); // says what there is instead
        }
        return new Conversation(MessageReader.messages(record, "conversations"), 0, ToolReader.tools(record))
                .withSystem(PromptedAnswers.system(record));
    }
}
