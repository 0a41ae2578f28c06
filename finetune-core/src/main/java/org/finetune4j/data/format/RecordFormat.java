package org.finetune4j.data.format;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/**
 * One format of records. Implementations are listed in {@code META-INF/services}, have no state and are thread-safe.
 */
public interface RecordFormat {

    /** What {@code dataset_format} calls it, such as {@code "alpaca"}. */
    String name();

    /** The keys it reads, the required ones first: what {@code columns} may map other names to. */
    List<String> keys();

    /** Whether a record looks like this format. */
    boolean matches(JsonNode record);

    /**
     * Formats that are tried first: the more a format asks of a record, the lower. A record of chosen and rejected
     * answers may look like an instruction, but not the other way round.
     */
    int detectionOrder();

    /** Whether a file holds one task, so that its name is the task's. */
    default boolean recordsOfAFileAreOneTask() {
        return false;
    }

    /**
     * Understands a record.
     *
     * @throws org.finetune4j.UserErrorException when it does not fit: what was expected, and the nearest key there is;
     *     without the place, which the reader of the file adds
     */
    Example parse(JsonNode record);
}
