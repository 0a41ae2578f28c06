package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * Records as JSON objects, whatever kind of file they are in, with random access. They stay in their files; only where
 * each one lies is in memory. Implementations are thread-safe.
 */
public interface RecordSource {

    /** {@return the number of records} */
    int size();

    /**
     * Reads one record.
     *
     * @param record index of the record, from 0
     * @return the record, a JSON object
     * @throws org.finetune4j.UserErrorException when its file was changed or removed since it was opened
     */
    JsonNode get(int record);

    /**
     * File and line of a record, as messages name it: {@code "data.jsonl:17"}.
     *
     * @param record index of the record, from 0
     * @return where it is
     */
    String location(int record);

    /**
     * {@return the name of the record's file without directories and endings: what a file of one task is called by}
     *
     * @param record index of the record, from 0
     */
    String fileName(int record);
}
