package org.finetune4j.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.io.JsonEOFException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;

/**
 * Random access to the records of a JSON file that stays on disk: JSON Lines (one object, or one list of messages, a
 * line), a JSON array of those, objects over several lines, or one object that holds the records in an array. The content decides which,
 * whatever the file's name.
 *
 * <p>Opening reads the file once and checks every record; {@link #get} reads one record. Thread-safe; no file is held
 * open.
 */
public final class RecordFile implements RecordSource {

    private final DataFile file;
    private final JsonDocumentIndexer.Document document;

    private RecordFile(DataFile file, JsonDocumentIndexer.Document document) {
        this.file = file;
        this.document = document;
    }

    /**
     * Opens a file whose records may be any objects; see {@link #open(Path, Consumer)}.
     *
     * @param path a file of any kind that training reads
     * @return the records
     */
    public static RecordFile open(Path path) {
        return open(path, node -> {});
    }

    /**
     * Opens a file and checks its records.
     *
     * @param path a file of any kind that training reads
     * @param check is given every record, and throws {@link UserErrorException} for one that is wrong; file and line are
     *     added to its message
     * @return the records
     * @throws UserErrorException when there is no such file, it holds no records, or one of them is malformed: with file,
     *     line and reason
     */
    public static RecordFile open(Path path, Consumer<JsonNode> check) {
        RecordFile file = open(DataFile.of(path), new RecordCheck(check, BadRecords.refused()));
        if (file.size() == 0) {
            throw new UserErrorException(path + ": the dataset is empty, expected at least one record");
        }
        return file;
    }

    /** Opens a file that may turn out to have no record that can be used. */
    static RecordFile open(DataFile file, RecordCheck check) {
        Beginning beginning = Beginning.of(file);
        return new RecordFile(
                file,
                beginning.isDocument()
                        ? JsonDocumentIndexer.index(file, beginning.start(), check)
                        : new JsonDocumentIndexer.Document(
                                LineRecords.index(file, check, JsonRecords::parse),
                                JsonNodeFactory.instance.objectNode(),
                                null));
    }

    /** Number of records, at least one. */
    @Override
    public int size() {
        return document.index().size();
    }

    @Override
    public JsonNode get(int record) {
        byte[] bytes = document.index().read(file, record);
        return document.record(JsonRecords.parse(bytes, bytes.length, location(record)));
    }

    /** File and line of a record, as messages name it: {@code "data.jsonl:17"}. */
    @Override
    public String location(int record) {
        return file.location(document.index().lines().get(record));
    }

    @Override
    public String fileName(int record) {
        return file.baseName();
    }

    /**
     * What the first lines say about a file.
     *
     * @param start offset after the byte order mark
     * @param isDocument whether this is one JSON value, or values over several lines, and not one object a line
     */
    private record Beginning(long start, boolean isDocument) {

        static Beginning of(DataFile file) {
            try (LineReader reader = new LineReader(file.path(), file.shown(), RecordIndex.MAX_RECORD_BYTES)) {
                long start = reader.nextOffset();
                while (reader.next()) {
                    if (!reader.isBlank()) {
                        return new Beginning(start, isDocument(reader));
                    }
                }
                return new Beginning(start, false);
            }
        }

        private static boolean isDocument(LineReader reader) {
            int first = 0;
            while (reader.bytes()[first] == ' ' || reader.bytes()[first] == '\t') {
                first++;
            }
            if (reader.bytes()[first] == '[') {
                return !reader.isComplete() || !isConversation(reader);
            }
            if (reader.bytes()[first] != '{' || !reader.isComplete()) {
                return false;
            }
            boolean holdsRecords;
            try (JsonParser parser = JsonRecords.parser(reader.bytes(), reader.length())) {
                JsonNode line = parser.readValueAsTree();
                holdsRecords = JsonDocumentIndexer.RECORD_KEYS.stream()
                        .anyMatch(key -> line.path(key).path(0).isObject());
            } catch (JsonEOFException e) {
                holdsRecords = true; // The object goes on, unless it was cut off and the next line begins another.
            } catch (IOException e) {
                return false;
            }
            return holdsRecords && !nextLineBegins(reader, '{');
        }

        /** Whether a line is a list of messages, and not the one list that holds all records. */
        private static boolean isConversation(LineReader reader) {
            JsonNode list;
            try (JsonParser parser = JsonRecords.parser(reader.bytes(), reader.length())) {
                list = parser.readValueAsTree();
                if (parser.nextToken() != null) {
                    return false;
                }
            } catch (IOException e) {
                return false; // The list goes on in the next line.
            }
            return nextLineBegins(reader, '[') || JsonRecords.isMessage(list.path(0));
        }

        private static boolean nextLineBegins(LineReader reader, char first) {
            while (reader.next()) {
                if (!reader.isBlank()) {
                    return reader.bytes()[0] == first;
                }
            }
            return false;
        }
    }
}
