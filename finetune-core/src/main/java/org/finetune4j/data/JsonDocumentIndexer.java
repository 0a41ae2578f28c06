package org.finetune4j.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Finds the records of a JSON file that is not one object a line: an array of objects; objects one after the other, each
 * over several lines; or one object that holds the records in an array ({@code Instances} of Super-NaturalInstructions,
 * {@code examples} of BIG-bench) beside what they share. Memory is bounded by the longest record.
 */
final class JsonDocumentIndexer {

    /** Keys of a document under which its records are. */
    static final List<String> RECORD_KEYS = List.of("Instances", "examples", "data", "records");

    private final DataFile file;
    private final long start;
    private final RecordCheck check;
    private final RecordIndex.Builder index = RecordIndex.builder();
    private final ObjectNode shared = JsonNodeFactory.instance.objectNode();
    private @Nullable String recordKey;
    private long line = 1;

    private JsonDocumentIndexer(DataFile file, long start, RecordCheck check) {
        this.file = file;
        this.start = start;
        this.check = check;
    }

    /**
     * The records of a JSON document and what they share.
     *
     * @param index where each record is
     * @param shared the document's other keys
     * @param recordKey where the records are in the document, or null when they are not in one
     */
    record Document(
            RecordIndex index, ObjectNode shared, @Nullable String recordKey) {

        /** The record as formats see it: in a document, together with what is shared. */
        JsonNode record(JsonNode own) {
            return recordKey == null ? own : withShared(own, shared, recordKey);
        }
    }

    /** @param start offset of the first byte after a byte order mark */
    static Document index(DataFile file, long start, RecordCheck check) {
        JsonDocumentIndexer indexer = new JsonDocumentIndexer(file, start, check);
        indexer.run();
        return new Document(indexer.index.build(), indexer.shared, indexer.recordKey);
    }

    private void run() {
        try (InputStream stream = LineReader.open(file.path())) {
            stream.skipNBytes(start);
            try (JsonParser parser = JsonRecords.parser(stream)) {
                if (parser.nextToken() == JsonToken.START_ARRAY) {
                    while (parser.nextToken() != JsonToken.END_ARRAY) {
                        value(parser);
                    }
                    requireEnd(parser);
                } else {
                    objects(parser);
                }
            }
        } catch (JsonProcessingException e) {
            // Some of Jackson's limits do not say where they were broken: then it was in this record.
            long at = e.getLocation() == null ? line : e.getLocation().getLineNr();
            throw new UserErrorException(
                    file.location(at) + ": not valid JSON: " + Reasons.oneLine(e.getOriginalMessage()), e);
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + file.shown() + ": " + Reasons.of(e), e);
        }
    }

    private static JsonNode withShared(JsonNode own, ObjectNode shared, String recordKey) {
        ObjectNode record = JsonNodeFactory.instance.objectNode();
        record.setAll(shared);
        record.set(recordKey, JsonNodeFactory.instance.arrayNode().add(own));
        return record;
    }

    private void objects(JsonParser parser) throws IOException {
        String key = recordKey();
        if (key == null) {
            while (parser.currentToken() != null) {
                value(parser);
                parser.nextToken();
            }
            return;
        }
        recordKey = key;
        readShared(key);
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            boolean records = parser.currentName().equals(key);
            parser.nextToken();
            if (records) {
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    value(parser);
                }
            } else {
                parser.skipChildren();
            }
        }
        requireEnd(parser);
    }

    /** The first object's key that holds records, if it has one. */
    private @Nullable String recordKey() throws IOException {
        try (InputStream stream = LineReader.open(file.path())) {
            stream.skipNBytes(start);
            try (JsonParser parser = JsonRecords.parser(stream)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    boolean candidate = parser.nextToken() == JsonToken.START_ARRAY && RECORD_KEYS.contains(name);
                    if (candidate && startsWithObject(parser)) {
                        return name;
                    }
                    parser.skipChildren();
                }
            }
        }
        return null;
    }

    /** Looks at an array's first element; otherwise the parser is left at the array's end. */
    private static boolean startsWithObject(JsonParser parser) throws IOException {
        JsonToken first = parser.nextToken();
        if (first == JsonToken.START_OBJECT) {
            return true;
        }
        while (parser.currentToken() != null && parser.currentToken() != JsonToken.END_ARRAY) {
            parser.skipChildren();
            parser.nextToken();
        }
        return false;
    }

    private void readShared(String key) throws IOException {
        try (InputStream stream = LineReader.open(file.path())) {
            stream.skipNBytes(start);
            try (JsonParser parser = JsonRecords.parser(stream)) {
                parser.nextToken();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    parser.nextToken();
                    long from = parser.currentTokenLocation().getByteOffset();
                    line = parser.currentTokenLocation().getLineNr();
                    boolean records = name.equals(key);
                    parser.skipChildren();
                    parser.finishToken();
                    long length = parser.currentLocation().getByteOffset() - from;
                    if (!records && length <= RecordIndex.MAX_RECORD_BYTES) {
                        byte[] bytes = file.read(start + from, (int) length);
                        shared.set(name, JsonRecords.parseAny(bytes, file.location(line)));
                    }
                }
            }
        }
    }

    /** Adds the value that the parser stands at as a record. */
    private void value(JsonParser parser) throws IOException {
        long from = parser.currentTokenLocation().getByteOffset();
        line = parser.currentTokenLocation().getLineNr();
        if (from < 0) {
            throw new UserErrorException(file.shown() + ": the file is not in UTF-8");
        }
        String location = file.location(line);
        parser.skipChildren();
        parser.finishToken();
        long length = parser.currentLocation().getByteOffset() - from;
        if (length > RecordIndex.MAX_RECORD_BYTES) {
            check.tooLong(location);
            return;
        }
        boolean accepted = check.accepts(location, () -> {
            byte[] bytes = file.read(start + from, (int) length);
            JsonNode own = JsonRecords.parse(bytes, bytes.length, location);
            String key = recordKey;
            return key == null ? own : withShared(own, shared, key);
        });
        if (accepted) {
            index.add(start + from, (int) length, line);
        }
    }

    private void requireEnd(JsonParser parser) throws IOException {
        if (parser.nextToken() != null) {
            throw new UserErrorException(
                    file.location(parser.currentTokenLocation().getLineNr())
                            + ": there is more after the end of the JSON "
                            + (recordKey == null ? "array" : "object"));
        }
    }
}
