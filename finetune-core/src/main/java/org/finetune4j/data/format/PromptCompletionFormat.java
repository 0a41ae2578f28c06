package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.data.RecordFields;

/**
 * TRL's and OpenAI's {@code prompt} and {@code completion} (or {@code response}): two texts, or two lists of messages.
 * A {@code chain_of_thought} comes before the answer, in the words of the FLAN collection.
 */
public final class PromptCompletionFormat implements RecordFormat {

    @Override
    public String name() {
        return "prompt_completion";
    }

    @Override
    public List<String> keys() {
        return List.of(
                "prompt",
                "completion",
                "response",
                "chain_of_thought",
                "system",
                "system_prompt",
                "tools",
                "functions");
    }

    @Override
    public boolean matches(JsonNode record) {
        return record.has("prompt") && (record.has("completion") || record.has("response"));
    }

    @Override
    public int detectionOrder() {
        return 60;
    }

    @Override
    public Example parse(JsonNode record) {
        String answer = record.has("completion") || !record.has("response") ? "completion" : "response";
        String thought = RecordFields.optionalString(record, "chain_of_thought");
        Supervised example = PromptedAnswers.of(record, answer);
        if (thought.isEmpty() || !(example instanceof PromptCompletion texts)) {
            return example;
        }
        return new PromptCompletion(texts.prompt(), thought + " So the answer is " + texts.completion() + ".");
    }
}
