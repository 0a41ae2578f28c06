package org.finetune4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.finetune4j.Json;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * Shows files to DuckDB as tables whose values are those that records have: DuckDB's own readers would guess times, dates and
 * numbers from texts, and unite objects with others. A column is a text, a number or a truth value where all its values are;
 * anything else is JSON as it is written. Parquet files have types of their own.
 */
final class QueryTables implements AutoCloseable {

    /** A dataset has some dozens; each one is a column of every row. */
    private static final int MOST_COLUMNS = 2000;

    /** What a column's values are, and how its JSON becomes them. */
    private enum Kind {
        TEXT("CAST(%s AS JSON)->>'$'"),
        INTEGER("CAST(%s AS BIGINT)"),
        NUMBER("CAST(%s AS DOUBLE)"),
        TRUTH("CAST(%s AS BOOLEAN)"),
        ANY("CAST(%s AS JSON)");

        private final String expression;

        Kind(String expression) {
            this.expression = expression;
        }

        static Kind of(JsonNode value) {
            if (value.isTextual()) {
                return TEXT;
            }
            if (value.isIntegralNumber()) {
                return value.canConvertToLong() ? INTEGER : ANY;
            }
            return value.isNumber() ? NUMBER : value.isBoolean() ? TRUTH : ANY;
        }
    }

    private final Statement statement;
    private final ReadOptions options;
    private final List<Path> temporary = new ArrayList<>();

    QueryTables(Statement statement, ReadOptions options) {
        this.statement = statement;
        this.options = options;
    }

    /**
     * Makes files a table.
     *
     * @param name what a query calls it
     * @param files at least one
     */
    void create(String name, List<Path> files) throws SQLException, IOException {
        String select = files.stream().allMatch(RecordFiles::isParquet) ? DuckDb.parquetRows(files) : records(files);
        statement.execute("CREATE VIEW " + DuckDb.identifier(name) + " AS " + select);
    }

    private String records(List<Path> files) throws IOException {
        List<String> paths = files.stream().map(Path::toString).toList();
        RecordSource source = RecordFiles.open(paths, options.withoutQuery(), record -> {}, BadRecords.refused());
        Path lines = DataFile.temporary();
        temporary.add(lines);
        Map<String, Kind> columns = new LinkedHashMap<>();
        int longest = 0;
        try (BufferedWriter out = Files.newBufferedWriter(lines)) {
            List<String> names = new ArrayList<>();
            Map<String, Integer> numbers = new HashMap<>();
            for (int i = 0; i < source.size(); i++) {
                ObjectNode row = JsonNodeFactory.instance.objectNode();
                source.get(i).properties().forEach(field -> {
                    if (!field.getValue().isNull()) {
                        Kind kind = Kind.of(field.getValue());
                        columns.merge(field.getKey(), kind, (known, other) -> known == other ? known : Kind.ANY);
                        int number = numbers.computeIfAbsent(field.getKey(), added -> {
                            names.add(added);
                            return names.size() - 1;
                        });
                        row.put("c" + number, field.getValue().toString());
                    }
                });
                requireColumns(columns, source.location(i));
                String line = Json.write(row);
                longest = Math.max(longest, line.length());
                out.write(line);
                out.write('\n');
                if (i % QueryRows.ROWS_BETWEEN_LOOKS == 0) {
                    DataFile.requireRoom(lines, files.get(0));
                }
            }
        }
        return select(lines, columns, longest);
    }

    private static void requireColumns(Map<String, Kind> columns, String location) {
        if (columns.size() > MOST_COLUMNS) {
            throw new UserErrorException(location + ": the records have more than " + MOST_COLUMNS
                    + " different keys, too many for a query");
        }
    }

    private static String select(Path lines, Map<String, Kind> columns, int longest) {
        StringBuilder select = new StringBuilder();
        StringBuilder types = new StringBuilder();
        Map<String, String> lowerCase = new HashMap<>();
        int number = 0;
        for (Map.Entry<String, Kind> column : columns.entrySet()) {
            @Nullable String other = lowerCase.put(column.getKey().toLowerCase(Locale.ROOT), column.getKey());
            if (other != null) {
                throw new UserErrorException("the keys '" + RecordFields.shortened(other) + "' and '"
                        + RecordFields.shortened(column.getKey()) + "' are one and the same for a query; rename one");
            }
            String name = "c" + number++;
            select.append(select.isEmpty() ? "" : ", ")
                    .append(String.format(Locale.ROOT, column.getValue().expression, name))
                    .append(" AS ")
                    .append(DuckDb.identifier(column.getKey()));
            types.append(types.isEmpty() ? "" : ", ").append(name).append(": 'VARCHAR'");
        }
        // A character of the line is up to three bytes.
        long room = Math.max(1 << 24, 3L * longest + 1024);
        return "SELECT " + select + " FROM read_json(" + DuckDb.literal(lines.toString())
                + ", format = 'newline_delimited', columns = {" + types + "}, maximum_object_size = " + room + ")";
    }

    /** Deletes what was written for DuckDB to read. */
    @Override
    public void close() {
        temporary.forEach(DataFile::delete);
    }
}
