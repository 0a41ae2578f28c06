package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;

/** Tasks of BIG-bench and BIG-bench Hard: a document whose {@code examples} have {@code input} and {@code target}. */
public final class BigBenchFormat implements RecordFormat {

    @Override
    public String name() {
        return "big_bench";
    }

    @Override
    public List<String> keys() {
        return List.of("examples");
    }

    @Override
    public boolean matches(JsonNode record) {
        JsonNode example = record.path("examples").path(0);
        return example.has("input") && example.has("target");
    }

    @Override
    public int detectionOrder() {
        return 11;
    }

    @Override
    public boolean recordsOfAFileAreOneTask() {
        return true;
    }

    @Override
    public Example parse(JsonNode record) {
        JsonNode example = record.path("examples").path(0);
        if (!example.isObject()) {
            throw new UserErrorException("the record has no 'examples', expected a task file of BIG-bench");
        }
        return new PromptCompletion(
                RecordFields.requiredString(example, "input"), RecordFields.requiredString(example, "target"));
    }
}
