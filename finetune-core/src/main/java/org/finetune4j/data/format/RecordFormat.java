package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Set;

/**
 * One format of records. Implementations are listed in {@code META-INF/services}, have no state and are thread-safe.
 */
public interface RecordFormat {

    /** {@return what {@code dataset_format} calls it, such as {@code "alpaca"}} */
    String name();

    /** {@return the keys it reads, the required ones first: what {@code columns} may map other names to} */
    List<String> keys();

    /**
     * {@return whether a record looks like this format}
     *
     * @param record a JSON object
     */
    boolean matches(JsonNode record);

    /**
     * Formats that are tried first: the more a format asks of a record, the lower. A record of chosen and rejected answers
     * may look like an instruction, but not the other way round.
     *
     * @return any number; formats with smaller ones come first
     */
    int detectionOrder();

    /** {@return whether a file holds one task, so that its name is the task's} */
    default boolean recordsOfAFileAreOneTask() {
        return false;
    }

    /**
     * The keys of a record, and of the messages in it, that this format does not read.
     *
     * @param record a record without nulls
     * @return their names, each with the key that it may be a misspelling of; task files have many and name none
     */
    default Set<String> unusedKeys(JsonNode record) {
        return recordsOfAFileAreOneTask() ? Set.of() : UnusedKeys.of(record, keys());
    }

    /**
     * Understands a record.
     *
     * @param record a JSON object
     * @return the example
     * @throws org.finetune4j.UserErrorException when it does not fit: what was expected, and the nearest key there is;
     *     without the place, which the reader of the file adds
     */
    Example parse(JsonNode record);
}
