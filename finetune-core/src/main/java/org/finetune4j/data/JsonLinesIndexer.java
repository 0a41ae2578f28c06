package org.finetune4j.data;

/** Finds the records of a JSON Lines file: one JSON object a line; blank lines are skipped. */
final class JsonLinesIndexer {

    private JsonLinesIndexer() {}

    static RecordIndex index(DataFile file, RecordCheck check) {
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
                } else if (check.accepts(
                        location, () -> JsonRecords.parse(reader.bytes(), reader.length(), location))) {
                    index.add(reader.offset(), reader.length(), reader.lineNumber());
                }
            }
        }
        return index.build();
    }
}
