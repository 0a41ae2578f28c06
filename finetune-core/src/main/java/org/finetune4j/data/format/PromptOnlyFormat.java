package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.finetune4j.data.RecordFields;

/**
 * TRL's records of a {@code prompt} alone: a text, or a list of messages. Whatever else they say is for the rewards of the answers
 * that a policy gives.
 */
public final class PromptOnlyFormat implements RecordFormat {

    @Override
    public String name() {
        return "prompt";
    }

    @Override
    public List<String> keys() {
        return List.of("prompt", "system", "system_prompt", "tools", "functions");
    }

    @Override
    public boolean matches(JsonNode record) {
        return record.has("prompt");
    }

    /** The last one: any format that reads a prompt reads something else too. */
    @Override
    public int detectionOrder() {
        return 100;
    }

    @Override
    public Set<String> unusedKeys(JsonNode record) {
        return Set.of();
    }

    @Override
    public Example parse(JsonNode record) {
        String system = PromptedAnswers.system(record);
        JsonNode tools = ToolReader.tools(record);
        if (record.path("prompt").isTextual() && system.isEmpty() && tools == null) {
            return PromptOnly.of(record.path("prompt").textValue());
        }
        if (!record.path("prompt").isArray()) {
            RecordFields.requiredString(record, "prompt"); // says what there is instead
        }
        List<Turn> turns = new ArrayList<>(MessageReader.messagesOrText(record, "prompt", Turn.USER));
        if (!system.isEmpty() && !turns.get(0).role().equals(Turn.SYSTEM)) {
            turns.add(0, Turn.system(system));
        }
        return new PromptOnly(turns, tools, false);
    }
}
