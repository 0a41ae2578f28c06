package org.finetune4j.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.primitives.ImmutableIntArray;
import com.google.common.primitives.ImmutableLongArray;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

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

    /** Collects the places of records. */
    private static final class Builder {

        private final ImmutableLongArray.Builder offsets = ImmutableLongArray.builder();
        private final ImmutableIntArray.Builder lengths = ImmutableIntArray.builder();
        private final ImmutableIntArray.Builder lines = ImmutableIntArray.builder();

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

    /** One JSON object a line; blank lines are skipped. */
    static RecordIndex ofLines(Path path, Consumer<JsonNode> check) {
        Builder index = new Builder();
        try (LineReader reader = new LineReader(path, MAX_RECORD_BYTES)) {
            while (reader.next()) {
                if (reader.isBlank()) {
                    continue;
                }
                String location = path + ":" + reader.lineNumber();
                if (!reader.isComplete()) {
                    throw tooLong(location);
                }
                check(JsonRecords.parse(reader.bytes(), reader.length(), location), location, check);
                index.add(reader.offset(), reader.length(), reader.lineNumber());
            }
        }
        return index.build();
    }

    /**
     * The elements of a JSON array that is the whole file.
     *
     * @param start offset of the first byte after a byte order mark
     */
    static RecordIndex ofArray(Path path, long start, Consumer<JsonNode> check) {
        Builder index = new Builder();
        long line = 1;
        try (InputStream stream = LineReader.open(path)) {
            stream.skipNBytes(start);
            try (JsonParser parser = JsonRecords.parser(stream)) {
                parser.nextToken(); // the array's start
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    line = parser.currentTokenLocation().getLineNr();
                    long from = parser.currentTokenLocation().getByteOffset();
                    String location = path + ":" + line;
                    if (from < 0) {
                        throw new UserErrorException(path + ": the file is not in UTF-8");
                    }
                    JsonNode node = JsonRecords.requireObject(parser.readValueAsTree(), location);
                    long length = parser.currentLocation().getByteOffset() - from;
                    if (length > MAX_RECORD_BYTES) {
                        throw tooLong(location);
                    }
                    check(node, location, check);
                    index.add(start + from, (int) length, line);
                }
                if (parser.nextToken() != null) {
                    throw new UserErrorException(
                            path + ":" + parser.currentTokenLocation().getLineNr()
                                    + ": there is more after the end of the JSON array");
                }
            }
        } catch (JsonProcessingException e) {
            // Some of Jackson's limits do not say where they were broken: then it was in this record.
            long at = e.getLocation() == null ? line : e.getLocation().getLineNr();
            throw new UserErrorException(
                    path + ":" + at + ": not valid JSON: " + Reasons.oneLine(e.getOriginalMessage()), e);
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + path + ": " + Reasons.of(e), e);
        }
        return index.build();
    }

    private static void check(JsonNode node, String location, Consumer<JsonNode> check) {
        try {
            check.accept(node);
        } catch (UserErrorException e) {
            throw new UserErrorException(location + ": " + e.getMessage(), e);
        }
    }

    private static UserErrorException tooLong(String location) {
        return new UserErrorException(
                location + ": the record is longer than " + (MAX_RECORD_BYTES >> 20) + " MiB, split it");
    }
}
