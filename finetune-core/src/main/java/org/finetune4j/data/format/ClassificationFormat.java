package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;

/**
 * {@code text} (or {@code sentence}), for pairs {@code text_pair}, and {@code label}: a name or a number, or a list of them
 * where several labels can hold at once, which may be called {@code labels}.
 */
public final class ClassificationFormat implements RecordFormat {

    @Override
    public String name() {
        return "classification";
    }

    @Override
    public List<String> keys() {
        return List.of("text", "label", "labels", "sentence", "text_pair");
    }

    @Override
    public boolean matches(JsonNode record) {
        JsonNode label = label(record);
        return record.path(textKey(record)).isTextual() && (label.isValueNode() || label.isArray());
    }

    @Override
    public int detectionOrder() {
        return 80;
    }

    @Override
    public Example parse(JsonNode record) {
        LabelledText texts = unlabelled(record);
        JsonNode label = label(record);
        if (label.isMissingNode()) {
            throw new UserErrorException("the record has no 'label'");
        }
        List<String> labels = new ArrayList<>();
        for (JsonNode one : label.isArray() ? label : List.of(label)) {
            if (!one.isTextual() && !one.isNumber() && !one.isBoolean()) {
                throw new UserErrorException("'label' must be a name or a number, or a list of them, got "
                        + one.getNodeType().name().toLowerCase(Locale.ROOT));
            }
            labels.add(one.asText());
        }
        return new LabelledText(texts.text(), texts.secondText(), labels);
    }

    /**
     * The text of a record, or both, of which it may say no label.
     *
     * @param record with {@code text} or {@code sentence}
     * @return the texts, without labels
     * @throws UserErrorException when it has none
     */
    public static LabelledText unlabelled(JsonNode record) {
        String text = RecordFields.requiredString(record, textKey(record));
        return new LabelledText(text, RecordFields.optionalString(record, "text_pair"), List.of());
    }

    private static JsonNode label(JsonNode record) {
        return record.path(record.has("labels") && !record.has("label") ? "labels" : "label");
    }

    private static String textKey(JsonNode record) {
        return record.has("sentence") && !record.has("text") ? "sentence" : "text";
    }
}
