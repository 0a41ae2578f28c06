package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Locale;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;

/** {@code text} (or {@code sentence}), for pairs {@code text_pair}, and {@code label}: a name or a whole number. */
public final class ClassificationFormat implements RecordFormat {

    @Override
    public String name() {
        return "classification";
    }

    @Override
    public List<String> keys() {
        return List.of("text", "label", "sentence", "text_pair");
    }

    @Override
    public boolean matches(JsonNode record) {
        return record.path(textKey(record)).isTextual() && record.path("label").isValueNode();
    }

    @Override
    public int detectionOrder() {
        return 80;
    }

    @Override
    public Example parse(JsonNode record) {
        String text = RecordFields.requiredString(record, textKey(record));
        JsonNode label = record.path("label");
        if (!label.isTextual() && !label.isIntegralNumber() && !label.isBoolean()) {
            throw new UserErrorException(
                    label.isMissingNode()
                            ? "the record has no 'label'"
                            : "'label' must be a name or a whole number, got "
                                    + label.getNodeType().name().toLowerCase(Locale.ROOT));
        }
        return new LabelledText(text, RecordFields.optionalString(record, "text_pair"), label.asText());
    }

    private static String textKey(JsonNode record) {
        return record.has("sentence") && !record.has("text") ? "sentence" : "text";
    }
}
