package org.finetune4j.data;

import com.google.common.primitives.ImmutableIntArray;
import com.google.common.primitives.ImmutableLongArray;

/**
 * Where the records of a file lie: 16 bytes of memory a record. It is built in one pass that also parses every record
 * once, so that a malformed one is found before training starts, not hours into it.
 *
 * @param offsets first byte of each record
 * @param lengths bytes of each record
 * @param lines line of each record, from 1
 */
record RecordIndex(ImmutableLongArray offsets, ImmutableIntArray lengths, ImmutableIntArray lines) {

    /** A longer record is a mistake, or cannot be trained on. */
    static final int MAX_RECORD_BYTES = 1 << 25;

    int size() {
        return lengths.length();
    }

    /** Reads the bytes of a record. */
    byte[] read(DataFile file, int record) {
        return file.read(offsets.get(record), lengths.get(record));
    }

    static Builder builder() {
        return new Builder();
    }

    /** Collects the places of records. */
    static final class Builder {

        private final ImmutableLongArray.Builder offsets = ImmutableLongArray.builder();
        private final ImmutableIntArray.Builder lengths = ImmutableIntArray.builder();
        private final ImmutableIntArray.Builder lines = ImmutableIntArray.builder();

        private Builder() {}

        void add(long offset, int length, long line) {
            offsets.add(offset);
            lengths.add(length);
            lines.add(Math.toIntExact(line));
        }

        RecordIndex build() {
            return new RecordIndex(
                    offsets.build().trimmed(),
                    lengths.build().trimmed(),
                    lines.build().trimmed());
        }
    }
}
