package org.finetune4j.data.examples;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;
import org.finetune4j.data.Sample;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.format.KnownColumns;
import org.finetune4j.data.format.RecordFormat;
import org.finetune4j.data.format.RecordFormats;

/**
 * Turns records into examples. Where the user says nothing, the first record decides format and columns. A key whose value is
 * null counts as absent.
 */
final class RecordParser {

    /** Keys that name the task of a record. */
    static final List<String> TASK_KEYS = List.of("task", "task_name");

    /** Keys that any record may have: some methods read them, others do not. */
    private static final List<String> METHOD_KEYS = List.of(Sample.TASK);

    private final DatasetSpec spec;
    private Map<String, String> found = Map.of();
    private volatile RecordMapping mapping;
    private volatile RecordFormat format;

    @SuppressWarnings("NullAway.Init") // The first record sets the format, before there is a dataset.
    RecordParser(DatasetSpec spec) {
        this.spec = spec;
        this.mapping = new RecordMapping(spec.columns(), spec.tags());
        String name = spec.format();
        if (name != null) {
            choose(RecordFormats.named(name));
        }
    }

    /**
     * Understands a record.
     *
     * @param draw chooses one of several templates
     */
    Example parse(JsonNode record, long draw) {
        JsonNode present = RecordFields.withoutNulls(record);
        try {
            if (!spec.templates().isEmpty()) {
                int chosen = (int) Long.remainderUnsigned(draw, spec.templates().size());
                return spec.templates().get(chosen).apply(mapping.apply(present));
            }
            if (format == null) {
                detect(present);
            }
            return format.parse(mapping.apply(present));
        } catch (UserErrorException e) {
            throw new UserErrorException(e.getMessage() + mapping.missing(present), e);
        }
    }

    private void detect(JsonNode record) {
        if (spec.columns().isEmpty()) {
            found = KnownColumns.of(mapping.apply(record));
            mapping = new RecordMapping(found, spec.tags());
        }
        choose(RecordFormats.detect(mapping.apply(record)));
    }

    private void choose(RecordFormat chosen) {
        for (String key : spec.columns().keySet()) {
            if (!chosen.keys().contains(key) && !TASK_KEYS.contains(key)) {
                throw new UserErrorException("columns names '" + key + "', but the format " + chosen.name() + " has "
                        + String.join(", ", chosen.keys()) + Suggestions.didYouMean(key, chosen.keys()));
            }
        }
        format = chosen;
    }

    /** The keys of a record that are not used. */
    Set<String> unusedKeys(JsonNode record) {
        if (!spec.templates().isEmpty()) {
            return Set.of();
        }
        return format.unusedKeys(mapping.apply(RecordFields.withoutNulls(record))).stream()
                .filter(key -> !TASK_KEYS.contains(key) && !METHOD_KEYS.contains(key))
                .collect(Collectors.toUnmodifiableSet());
    }

    boolean tasksAreFiles() {
        return format != null && !spec.columns().containsKey("task") && format.recordsOfAFileAreOneTask();
    }

    /** The format's name; with the columns, where they were found and not named by the user. */
    String formatName() {
        if (!spec.templates().isEmpty()) {
            return "templates";
        }
        String columns = new TreeMap<>(found)
                .entrySet().stream()
                        .map(column -> column.getKey() + ": " + column.getValue())
                        .collect(Collectors.joining(", "));
        return format.name() + (columns.isEmpty() ? "" : ", columns {" + columns + "}");
    }
}
