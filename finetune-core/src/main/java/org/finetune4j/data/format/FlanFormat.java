package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.data.RecordFields;

/**
 * The FLAN collection as it is published: {@code inputs} and {@code targets}, templates applied already. Records that
 * still need templates are read with {@link FieldTemplate}s instead.
 */
public final class FlanFormat implements RecordFormat {

    @Override
    public String name() {
        return "flan";
    }

    @Override
    public List<String> keys() {
        return List.of("inputs", "targets");
    }

    @Override
    public boolean matches(JsonNode record) {
        return record.has("inputs") && record.has("targets");
    }

    @Override
    public int detectionOrder() {
        return 61;
    }

    @Override
    public Example parse(JsonNode record) {
        return new PromptCompletion(
                RecordFields.requiredString(record, "inputs"), RecordFields.requiredString(record, "targets"));
    }
}
