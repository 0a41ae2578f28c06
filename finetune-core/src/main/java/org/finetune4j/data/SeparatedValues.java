package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.finetune4j.UserErrorException;

/**
 * Records of a table in text, one a row, that stay on disk; every value is a text. Comma-separated values are read by
 * RFC 4180: values may be quoted, and a quoted one may hold commas, quotes (written twice) and line breaks. A quote inside of a value
 * that is not quoted is one of its characters.
 * Tab-separated values have no quotes, as in the GLUE tasks.
 *
 * <p>Thread-safe; no file is held open.
 */
final class SeparatedValues implements RecordSource {

    private final DataFile file;
    private final RecordIndex index;
    private final Dialect dialect;
    private final List<String> columns;

    private SeparatedValues(DataFile file, RecordIndex index, Dialect dialect, List<String> columns) {
        this.file = file;
        this.index = index;
        this.dialect = dialect;
        this.columns = columns;
    }

    /** How rows become values. */
    enum Dialect {
        CSV(','),
        TSV('\t');

        private final char separator;

        Dialect(char separator) {
            this.separator = separator;
        }

        private boolean hasQuotes() {
            return this == CSV;
        }
    }

    /**
     * Opens a file.
     *
     * @param header whether the first row names the columns; without, they are {@code column_1}, {@code column_2}, ...
     */
    static SeparatedValues open(DataFile file, Dialect dialect, boolean header, RecordCheck check) {
        Indexer indexer = new Indexer(file, dialect, header, check);
        indexer.run();
        return new SeparatedValues(file, indexer.index.build(), dialect, indexer.columns);
    }

    @Override
    public int size() {
        return index.size();
    }

    @Override
    public JsonNode get(int record) {
        byte[] bytes = index.read(file, record);
        String location = location(record);
        return record(values(JsonRecords.text(bytes, bytes.length, location), dialect, location), columns, location);
    }

    @Override
    public String location(int record) {
        return file.location(index.lines().get(record));
    }

    @Override
    public String fileName(int record) {
        return file.baseName();
    }

    /** What a character of a row is. */
    private enum Role {
        OF_THE_VALUE,
        END_OF_THE_VALUE,
        QUOTE
    }

    /** Where in a row it is, as Python's {@code csv} reads one: a quote within a value that does not begin with one is a character. */
    private static final class Quoting {

        private enum Place {
            BEGINNING,
            PLAIN,
            QUOTED,
            AFTER_QUOTE
        }

        private final Dialect dialect;
        private Place place = Place.BEGINNING;

        Quoting(Dialect dialect) {
            this.dialect = dialect;
        }

        /** Whether a quoted value has no end yet. */
        boolean isOpen() {
            return place == Place.QUOTED;
        }

        Role take(int character) {
            boolean isQuote = dialect.hasQuotes() && character == '"';
            if (place == Place.QUOTED) {
                place = isQuote ? Place.AFTER_QUOTE : place;
                return isQuote ? Role.QUOTE : Role.OF_THE_VALUE;
            }
            if (isQuote && place != Place.PLAIN) {
                Role role = place == Place.AFTER_QUOTE ? Role.OF_THE_VALUE : Role.QUOTE;
                place = Place.QUOTED;
                return role;
            }
            place = character == dialect.separator ? Place.BEGINNING : Place.PLAIN;
            return place == Place.BEGINNING ? Role.END_OF_THE_VALUE : Role.OF_THE_VALUE;
        }
    }

    /** Finds the rows. */
    private static final class Indexer {

        private final DataFile file;
        private final Dialect dialect;
        private final boolean header;
        private final RecordCheck check;
        private final RecordIndex.Builder index = RecordIndex.builder();
        private List<String> columns = List.of();

        Indexer(DataFile file, Dialect dialect, boolean header, RecordCheck check) {
            this.file = file;
            this.dialect = dialect;
            this.header = header;
            this.check = check;
        }

        void run() {
            try (LineReader reader = new LineReader(file.path(), file.shown(), RecordIndex.MAX_RECORD_BYTES)) {
                while (reader.next()) {
                    if (reader.length() > 0) {
                        row(reader);
                    }
                }
            }
        }

        private void row(LineReader reader) {
            long offset = reader.offset();
            long line = reader.lineNumber();
            String location = file.location(line);
            Quoting quoting = new Quoting(dialect);
            take(reader, quoting);
            long end = reader.offset() + reader.length();
            boolean whole = reader.isComplete();
            while (whole && quoting.isOpen() && end - offset <= RecordIndex.MAX_RECORD_BYTES) {
                if (!reader.next()) {
                    throw new UserErrorException(location + ": a quote is opened in this row and never closed");
                }
                take(reader, quoting);
                end = reader.offset() + reader.length();
                whole = reader.isComplete();
            }
            if (!whole || end - offset > RecordIndex.MAX_RECORD_BYTES) {
                check.tooLong(location);
                reader.skipLine();
                return;
            }
            byte[] bytes = file.read(offset, (int) (end - offset));
            if (columns.isEmpty()) {
                List<String> values = values(JsonRecords.text(bytes, bytes.length, location), dialect, location);
                columns = header ? names(values, location) : numbered(values.size());
                if (header) {
                    return;
                }
            }
            boolean accepted = check.accepts(
                    location,
                    () -> record(
                            values(JsonRecords.text(bytes, bytes.length, location), dialect, location),
                            columns,
                            location));
            if (accepted) {
                index.add(offset, bytes.length, line);
            }
        }

        private static void take(LineReader line, Quoting quoting) {
            for (int i = 0; i < line.length(); i++) {
                quoting.take(line.bytes()[i]);
            }
        }

        private static List<String> names(List<String> values, String location) {
            Set<String> seen = new HashSet<>();
            for (String name : values) {
                if (name.isBlank()) {
                    throw new UserErrorException(location + ": the header has a column without a name;"
                            + " where the first row is data, set csv_header: false");
                }
                if (!seen.add(name)) {
                    throw new UserErrorException(location + ": the header names '" + name + "' twice;"
                            + " where the first row is data, set csv_header: false");
                }
            }
            return values;
        }

        private static List<String> numbered(int count) {
            List<String> names = new ArrayList<>();
            for (int i = 1; i <= count; i++) {
                names.add("column_" + i);
            }
            return names;
        }
    }

    private static JsonNode record(List<String> values, List<String> columns, String location) {
        if (values.size() != columns.size()) {
            throw new UserErrorException(location + ": the row has " + values.size() + " values, expected "
                    + columns.size() + ": " + String.join(", ", columns));
        }
        ObjectNode record = JsonNodeFactory.instance.objectNode();
        for (int i = 0; i < values.size(); i++) {
            record.put(columns.get(i), values.get(i));
        }
        return record;
    }

    private static List<String> values(String row, Dialect dialect, String location) {
        if (row.indexOf('\0') >= 0) {
            throw new UserErrorException(
                    location + ": a NUL byte, so this is not " + dialect.name().toLowerCase(Locale.ROOT));
        }
        List<String> values = new ArrayList<>();
        StringBuilder value = new StringBuilder();
        Quoting quoting = new Quoting(dialect);
        for (int i = 0; i < row.length(); i++) {
            char next = row.charAt(i);
            switch (quoting.take(next)) {
                case OF_THE_VALUE -> value.append(next);
                case END_OF_THE_VALUE -> {
                    values.add(value.toString());
                    value.setLength(0);
                }
                case QUOTE -> {}
            }
        }
        values.add(value.toString());
        return values;
    }
}
