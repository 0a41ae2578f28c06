package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.finetune4j.data.RecordFields;

/** Text to continue, under {@code text}. */
public final class PlainTextFormat implements RecordFormat {

    @Override
    public String name() {
        return "text";
    }

    @Override
    public List<String> keys() {
        return List.of("text");
    }

    @Override
    public boolean matches(JsonNode record) {
        return record.path("text").isTextual();
    }

    @Override
    public int detectionOrder() {
        return 90;
    }

    @Override
    public Example parse(JsonNode record) {
        return new PlainText(RecordFields.requiredString(record, "text"));
    }
}
