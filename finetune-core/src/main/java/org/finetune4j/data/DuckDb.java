package org.finetune4j.data;

import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * Reads Parquet files and answers SQL queries with DuckDB, inside this process and without the network. It is an optional
 * dependency: {@code org.duckdb:duckdb_jdbc}. The rows go to a temporary JSON Lines file, because records are read in
 * any order; memory stays flat.
 */
final class DuckDb {

    /** What a query calls the configured files. */
    private static final String VIEW = "data";

    /** Names of files in a query: what stands in quotes. */
    private static final Pattern QUOTED = Pattern.compile("'([^']+)'|\"([^\"]+)\"");

    private DuckDb() {}

    /**
     * The rows of a Parquet file.
     *
     * @throws UserErrorException when DuckDB is missing, or the file is not Parquet
     */
    static DataFile parquet(Path path) {
        return rows(path, parquetRows(List.of(path)), ReadOptions.defaults(), tables -> {});
    }

    /**
     * The rows that a query selects.
     *
     * @param shown what messages call the result
     * @param sql the query; files that it names itself are read as those that are configured, and may be patterns
     * @param files where the query may select from as {@code data}; may be empty
     * @throws UserErrorException when DuckDB is missing, or refuses the query
     */
    static DataFile query(Path shown, String sql, List<Path> files, ReadOptions options) {
        return rows(shown, sql.strip().replaceFirst(";$", ""), options, tables -> {
            if (!files.isEmpty()) {
                tables.create(VIEW, files);
            }
            Set<String> named = new LinkedHashSet<>();
            QUOTED.matcher(sql)
                    .results()
                    .forEach(match -> named.add(match.group(1) != null ? match.group(1) : match.group(2)));
            for (String name : named) {
                List<Path> meant = FilePatterns.recordsNamed(name);
                if (!meant.isEmpty()) {
                    tables.create(name, meant);
                }
            }
        });
    }

    /** Shows a query its tables. */
    @FunctionalInterface
    private interface Tables {
        void create(QueryTables tables) throws SQLException, IOException;
    }

    private static DataFile rows(Path shown, String sql, ReadOptions options, Tables tables) {
        Path target = DataFile.temporary();
        try (Connection connection = connect(shown);
                Statement statement = connection.createStatement();
                QueryTables created = new QueryTables(statement, options)) {
            // No extension is fetched, and what needs more memory than this goes to a disk.
            statement.execute("SET autoinstall_known_extensions = false");
            statement.execute("SET preserve_insertion_order = true");
            statement.execute("SET memory_limit = '1GB'");
            statement.execute("SET threads = 2");
            statement.execute("SET temp_directory = " + literal(target + ".spill"));
            tables.create(created);
            QueryRows.write(statement, sql, target, shown);
        } catch (SQLException | IOException | RuntimeException e) {
            DataFile.delete(target);
            if (e instanceof UserErrorException already) {
                throw already;
            }
            String reason = Reasons.of(e);
            throw new UserErrorException(
                    shown + ": DuckDB cannot read this: " + reason
                            + (reason.contains("explicit cast")
                                    ? " (a text is compared as a number by CAST(column AS DOUBLE))"
                                    : ""),
                    e);
        }
        return DataFile.spooled(shown, target);
    }

    private static Connection connect(Path shown) throws SQLException {
        boolean present = Collections.list(DriverManager.getDrivers()).stream().anyMatch(DuckDb::isDuckDb);
        if (!present) {
            throw new UserErrorException(shown + ": Parquet files and SQL need DuckDB, which is not on the class path:"
                    + " add the Maven artifact org.duckdb:duckdb_jdbc");
        }
        Properties settings = new Properties();
        settings.setProperty("jdbc_stream_results", "true");
        return DriverManager.getConnection("jdbc:duckdb:", settings);
    }

    private static boolean isDuckDb(Driver driver) {
        return driver.getClass().getName().startsWith("org.duckdb.");
    }

    /** A query for all rows of Parquet files. */
    static String parquetRows(List<Path> files) {
        String names = files.stream().map(file -> literal(file.toString())).collect(Collectors.joining(", ", "[", "]"));
        return "SELECT * FROM read_parquet(" + names + ", union_by_name = true)";
    }

    /** A text as a query writes it. */
    static String literal(String text) {
        return "'" + text.replace("'", "''") + "'";
    }

    /** A name as a query writes it. */
    static String identifier(String name) {
        return '"' + name.replace("\"", "\"\"") + '"';
    }
}
