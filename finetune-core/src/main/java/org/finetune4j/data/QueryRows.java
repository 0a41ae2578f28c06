package org.finetune4j.data;

import com.fasterxml.jackson.core.JsonEncoding;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;

/**
 * Writes the rows of a query as JSON Lines: texts as they are, numbers and truth values as such, dates, times and other values as
 * DuckDB writes them. What is null is left out, in objects too: a table has every key in every row, where a record has only
 * its own. NaN and infinity are null.
 */
final class QueryRows {

    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .build();

    /** Rows after which it is asked whether the disk has room. */
    static final int ROWS_BETWEEN_LOOKS = 1024;

    private static final long CHARACTERS_BETWEEN_LOOKS = 1 << 24;

    private static final Set<String> WHOLE_NUMBERS = Set.of(
            "TINYINT",
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "HUGEINT",
            "UTINYINT",
            "USMALLINT",
            "UINTEGER",
            "UBIGINT",
            "UHUGEINT",
            "BIGNUM");

    /** How the values of a column become JSON. */
    private enum Kind {
        TEXT,
        NUMBER,
        TRUTH,
        JSON,
        NESTED;

        static Kind of(String type) {
            if (type.equals("BOOLEAN")) {
                return TRUTH;
            }
            if (WHOLE_NUMBERS.contains(type)
                    || type.equals("FLOAT")
                    || type.equals("DOUBLE")
                    || type.startsWith("DECIMAL")) {
                return NUMBER;
            }
            if (type.equals("JSON")) {
                return JSON;
            }
            boolean nested = type.endsWith("]")
                    || type.startsWith("STRUCT(")
                    || type.startsWith("MAP(")
                    || type.startsWith("UNION(");
            return nested ? NESTED : TEXT;
        }
    }

    private record Column(String name, Kind kind) {

        private String text() {
            String value = DuckDb.identifier(name);
            return (kind == Kind.NESTED ? "to_json(" + value + ")" : value) + "::VARCHAR";
        }

        private String isTooLong() {
            return "coalesce(strlen(" + text() + ") > " + RecordIndex.MAX_RECORD_BYTES + ", false)";
        }

        /** A file of a few kilobytes can stand for values that fill the heap before they get here: they stay behind. */
        String expression() {
            return "CASE WHEN " + isTooLong() + " THEN NULL ELSE " + text() + " END";
        }
    }

    /** The name of a column whose value was left behind, or null. */
    private static String tooLong(List<Column> columns) {
        StringBuilder sql = new StringBuilder("CASE");
        for (Column column : columns) {
            sql.append(" WHEN ").append(column.isTooLong()).append(" THEN ").append(DuckDb.literal(column.name()));
        }
        return sql.append(" ELSE NULL END").toString();
    }

    private QueryRows() {}

    /**
     * Runs a query and writes its rows.
     *
     * @param statement of the connection to DuckDB
     * @param sql a query
     * @param target the file that is written
     * @param shown the name of the query in messages
     */
    static void write(Statement statement, String sql, Path target, Path shown) throws SQLException, IOException {
        List<Column> columns = columns(statement, sql);
        String expressions =
                String.join(", ", columns.stream().map(Column::expression).toList()) + ", " + tooLong(columns);
        try (ResultSet rows = statement.executeQuery("SELECT " + expressions + " FROM (" + sql + "\n) AS r");
                JsonGenerator generator = JSON.getFactory().createGenerator(target.toFile(), JsonEncoding.UTF8)) {
            generator.setRootValueSeparator(null);
            long unlooked = 0;
            for (long row = 0; rows.next(); row++) {
                if (row % ROWS_BETWEEN_LOOKS == 0 || unlooked > CHARACTERS_BETWEEN_LOOKS) {
                    DataFile.requireRoom(target, shown);
                    unlooked = 0;
                }
                String tooLong = rows.getString(columns.size() + 1);
                if (tooLong != null) {
                    throw new UserErrorException(shown + ":" + (row + 1) + ": the value of '" + tooLong
                            + "' is longer than " + (RecordIndex.MAX_RECORD_BYTES >> 20) + " MiB, split it");
                }
                generator.writeStartObject();
                for (int i = 0; i < columns.size(); i++) {
                    String value = rows.getString(i + 1);
                    if (value != null) {
                        unlooked += value.length();
                        write(generator, columns.get(i), value);
                    }
                }
                generator.writeEndObject();
                generator.writeRaw('\n');
            }
        }
    }

    private static List<Column> columns(Statement statement, String sql) throws SQLException {
        List<Column> columns = new ArrayList<>();
        try (ResultSet described = statement.executeQuery("DESCRIBE SELECT * FROM (" + sql + "\n) AS r")) {
            while (described.next()) {
                columns.add(
                        new Column(described.getString("column_name"), Kind.of(described.getString("column_type"))));
            }
        }
        return columns;
    }

    private static void write(JsonGenerator generator, Column column, String value) throws IOException {
        switch (column.kind()) {
            case TEXT -> generator.writeStringField(column.name(), value);
            case TRUTH -> generator.writeBooleanField(column.name(), Boolean.parseBoolean(value));
            case NUMBER -> {
                if (Character.isDigit(value.charAt(value.length() - 1))) { // neither nan nor inf
                    generator.writeFieldName(column.name());
                    generator.writeNumber(value);
                }
            }
            case JSON -> {
                JsonNode node = JSON.readTree(value);
                if (!node.isNull()) {
                    generator.writeFieldName(column.name());
                    generator.writeTree(node);
                }
            }
            case NESTED -> {
                generator.writeFieldName(column.name());
                generator.writeTree(withoutNulls(JSON.readTree(value)));
            }
        }
    }

    /** Without the keys that a table adds to every object; in lists a null stays what it is. */
    private static JsonNode withoutNulls(JsonNode node) {
        if (node instanceof ObjectNode object) {
            for (Iterator<JsonNode> values = object.elements(); values.hasNext(); ) {
                JsonNode value = values.next();
                if (isNothing(value)) {
                    values.remove();
                } else {
                    withoutNulls(value);
                }
            }
        } else if (node instanceof ArrayNode array) {
            for (int i = 0; i < array.size(); i++) {
                if (isNothing(array.get(i))) {
                    array.setNull(i);
                } else {
                    withoutNulls(array.get(i));
                }
            }
        }
        return node;
    }

    private static boolean isNothing(JsonNode value) {
        return value.isNull() || (value.isDouble() && !Double.isFinite(value.doubleValue()));
    }
}
