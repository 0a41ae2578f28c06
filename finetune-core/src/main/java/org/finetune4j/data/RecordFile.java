package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;

/**
 * Random access to the records of a JSON file that stays on disk: a JSON array of objects, or JSON Lines (one object a
 * line). The content decides which: a file that starts with <code>[</code> is an array, whatever its name.
 *
 * <p>Opening reads the file once and checks every record; {@link #get} reads one record. Thread-safe; no file is held
 * open.
 */
public final class RecordFile {

    private final StoredFile file;
    private final RecordIndex index;

    private RecordFile(StoredFile file, RecordIndex index) {
        this.file = file;
        this.index = index;
    }

    /** Opens a file whose records may be any objects; see {@link #open(Path, Consumer)}. */
    public static RecordFile open(Path path) {
        return open(path, node -> {});
    }

    /**
     * Opens a file and checks its records.
     *
     * @param check is given every record, and throws {@link UserErrorException} for one that is wrong; file and line
     *     are added to its message
     * @throws UserErrorException when there is no such file, it holds no records, or one of them is malformed: with
     *     file, line and reason
     */
    public static RecordFile open(Path path, Consumer<JsonNode> check) {
        StoredFile file = StoredFile.of(path);
        long start = firstByte(path, '[');
        RecordIndex index = start >= 0 ? RecordIndex.ofArray(path, start, check) : RecordIndex.ofLines(path, check);
        if (index.size() == 0) {
            throw new UserErrorException(path + ": the dataset is empty, expected at least one record");
        }
        return new RecordFile(file, index);
    }

    /** Number of records, at least one. */
    public int size() {
        return index.size();
    }

    /**
     * Reads one record.
     *
     * @throws UserErrorException when the file was changed or removed since it was opened
     */
    public JsonNode get(int record) {
        byte[] bytes = file.read(index.offsets().get(record), index.lengths().get(record));
        return JsonRecords.parse(bytes, bytes.length, location(record));
    }

    /** File and line of a record, as messages name it: {@code "data.jsonl:17"}. */
    public String location(int record) {
        return file.path() + ":" + index.lines().get(record);
    }

    /** Offset after the byte order mark if the first character that is not white space is {@code wanted}, or -1. */
    private static long firstByte(Path path, char wanted) {
        try (LineReader reader = new LineReader(path, 256)) {
            long start = reader.nextOffset();
            while (reader.next()) {
                for (int i = 0; i < reader.length(); i++) {
                    byte next = reader.bytes()[i];
                    if (next != ' ' && next != '\t') {
                        return next == wanted ? start : -1;
                    }
                }
            }
            return -1;
        }
    }
}
