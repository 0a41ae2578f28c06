package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;

/** Finds the records of a file that has one a line; blank lines are skipped. */
final class LineRecords {

    /** How a line becomes a record; it throws {@link org.finetune4j.UserErrorException} with the place. */
    @FunctionalInterface
    interface Parser {
        JsonNode parse(byte[] bytes, int length, String location);
    }

    private LineRecords() {}

    static RecordIndex index(DataFile file, RecordCheck check, Parser parser) {
        RecordIndex.Builder index = RecordIndex.builder();
        try (LineReader reader = new LineReader(file.path(), file.shown(), RecordIndex.MAX_RECORD_BYTES)) {
            while (reader.next()) {
                if (reader.isBlank()) {
                    continue;
                }
                String location = file.location(reader.lineNumber());
                if (!reader.isComplete()) {
                    check.tooLong(location);
                    reader.skipLine();
                } else if (check.accepts(location, () -> parser.parse(reader.bytes(), reader.length(), location))) {
                    index.add(reader.offset(), reader.length(), reader.lineNumber());
                }
            }
        }
        return index.build();
    }
}
