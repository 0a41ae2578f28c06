package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;

/** Checks the records of a file one by one while it is looked through. */
record RecordCheck(Consumer<? super JsonNode> check, BadRecords bad) {

    /** A step of reading a record; it throws {@link UserErrorException} without or with the place. */
    @FunctionalInterface
    interface Reading {
        JsonNode read();
    }

    /** Whether the record can be used; if not, it was counted, or this throws. */
    boolean accepts(String location, Reading reading) {
        JsonNode node;
        try {
            node = reading.read();
        } catch (UserErrorException e) {
            bad.add(e);
            return false;
        }
        try {
            check.accept(node);
            return true;
        } catch (UserErrorException e) {
            bad.add(new UserErrorException(location + ": " + e.getMessage(), e));
            return false;
        }
    }

    /** Counts a record that is too long to be looked at. */
    void tooLong(String location) {
        bad.add(new UserErrorException(
                location + ": the record is longer than " + (RecordIndex.MAX_RECORD_BYTES >> 20) + " MiB, split it"));
    }
}
