package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import org.finetune4j.UserErrorException;

/** The lines of a text file as records with one field, {@code text}; blank lines are skipped. */
final class TextLines implements RecordSource {

    private final DataFile file;
    private final RecordIndex index;

    private TextLines(DataFile file, RecordIndex index) {
        this.file = file;
        this.index = index;
    }

    static TextLines open(DataFile file, RecordCheck check) {
        return new TextLines(file, LineRecords.index(file, check, TextLines::record));
    }

    @Override
    public int size() {
        return index.size();
    }

    @Override
    public JsonNode get(int record) {
        byte[] bytes = index.read(file, record);
        return record(bytes, bytes.length, location(record));
    }

    @Override
    public String location(int record) {
        return file.location(index.lines().get(record));
    }

    @Override
    public String fileName(int record) {
        return file.baseName();
    }

    private static JsonNode record(byte[] bytes, int length, String location) {
        String text = JsonRecords.text(bytes, length, location);
        if (text.indexOf('\0') >= 0) {
            throw new UserErrorException(location + ": a NUL byte, so this is not a text file");
        }
        return JsonNodeFactory.instance.objectNode().put("text", text);
    }
}
