package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.collect.Streams;
import java.util.Comparator;
import java.util.List;
import org.finetune4j.Services;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.RecordFields;

/** All formats that are on the class path. */
public final class RecordFormats {

    private static final List<RecordFormat> ALL = Services.of(RecordFormat.class).stream()
            .sorted(Comparator.comparingInt(RecordFormat::detectionOrder).thenComparing(RecordFormat::name))
            .toList();

    private RecordFormats() {}

    /** {@return the formats in the order in which they are tried} */
    public static List<RecordFormat> all() {
        return ALL;
    }

    /**
     * The format of this name.
     *
     * @param name as {@link #names()} gives it
     * @return the format
     * @throws UserErrorException when there is none, with the nearest name
     */
    public static RecordFormat named(String name) {
        return ALL.stream()
                .filter(format -> format.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new UserErrorException("dataset_format is " + name + ", expected auto or one of "
                        + String.join(", ", names()) + Suggestions.didYouMean(name, names())));
    }

    /**
     * The format that a record is in.
     *
     * @param record usually the first of a file
     * @return the format
     * @throws UserErrorException when it is in none
     */
    public static RecordFormat detect(JsonNode record) {
        return ALL.stream()
                .filter(format -> format.matches(record))
                .findFirst()
                .orElseThrow(() -> new UserErrorException(refusal(record)));
    }

    private static String refusal(JsonNode record) {
        if (MessageReader.role(record) != null) {
            return "a message stands where a record is expected: write the messages of each conversation as a list on one"
                    + " line, or under 'messages'";
        }
        if (record.has("input_ids")) {
            return "the record is tokens already ('input_ids'): give the texts that they come from";
        }
        JsonNode first =
                record.path(record.fieldNames().hasNext() ? record.fieldNames().next() : "");
        if (first.has("file_name") || first.has("hf_hub_url")) {
            return "this file describes datasets and is none itself: name it as dataset_info, and what to train on as dataset";
        }
        boolean asData = Streams.stream(record.fieldNames()).anyMatch(RecordFormats::isNoName);
        return "no format fits a record with the keys " + RecordFields.keys(record)
                + (asData
                        ? "; where the first row of a table is data, set csv_header: false"
                        : "; map them, such as columns: {prompt: KEY, completion: KEY}, put them into words by templates:"
                                + " [{inputs: \"{KEY}\", targets: \"{KEY}\"}], or set dataset_format");
    }

    /** Whether a key looks like a value: names of columns are short, and mostly one word. */
    private static boolean isNoName(String key) {
        return key.length() > 40 || key.matches("(?s).*\\s.*\\s.*");
    }

    /** {@return the names of all formats, in the order in which they are tried} */
    public static List<String> names() {
        return ALL.stream().map(RecordFormat::name).toList();
    }
}
