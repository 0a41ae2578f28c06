package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * Records as JSON objects, whatever kind of file they are in, with random access. They stay in their files; only where
 * each one lies is in memory. Implementations are thread-safe.
 */
public interface RecordSource {

    /** Number of records. */
    int size();

    /**
     * Reads one record.
     *
     * @throws org.finetune4j.UserErrorException when its file was changed or removed since it was opened
     */
    JsonNode get(int record);

    /** File and line of a record, as messages name it: {@code "data.jsonl:17"}. */
    String location(int record);

    /** The name of the record's file without directories and endings: what a file of one task is called by. */
    String fileName(int record);
}
