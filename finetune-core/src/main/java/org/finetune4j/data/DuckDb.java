package org.finetune4j.data;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.Driver;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
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
    static final String VIEW = "data";

    private DuckDb() {}

    /**
     * The rows of a Parquet file.
     *
     * @throws UserErrorException when DuckDB is missing, or the file is not Parquet
     */
    static DataFile parquet(Path path) {
        return query(path, "SELECT * FROM read_parquet(" + quoted(path.toString()) + ")", List.of());
    }

    /**
     * The rows that a query selects.
     *
     * @param shown what messages call the result
     * @param files where the query may select from as {@code data}; may be empty
     * @throws UserErrorException when DuckDB is missing, or refuses the query
     */
    static DataFile query(Path shown, String sql, List<Path> files) {
        Path target = DataFile.temporary();
        try (Connection connection = connect(shown);
                Statement statement = connection.createStatement()) {
            // No extension is fetched, and nothing but reading is possible afterwards.
            statement.execute("SET autoinstall_known_extensions = false");
            statement.execute("SET preserve_insertion_order = true");
            if (!files.isEmpty()) {
                statement.execute("CREATE VIEW " + VIEW + " AS SELECT * FROM " + table(files));
            }
            try (ResultSet rows = statement.executeQuery("SELECT to_json(r)::VARCHAR FROM (" + sql + ") AS r");
                    BufferedWriter out = Files.newBufferedWriter(target)) {
                while (rows.next()) {
                    out.write(rows.getString(1));
                    out.write('\n');
                }
            }
        } catch (SQLException | IOException | RuntimeException e) {
            DataFile.delete(target);
            if (e instanceof UserErrorException already) {
                throw already;
            }
            throw new UserErrorException(shown + ": DuckDB cannot read this: " + Reasons.of(e), e);
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

    private static String table(List<Path> files) {
        String names = files.stream().map(file -> quoted(file.toString())).collect(Collectors.joining(", ", "[", "]"));
        String first = files.get(0).toString();
        String function = first.endsWith(".parquet")
                ? "read_parquet"
                : first.matches(".*\\.[ct]sv(\\.gz|\\.zst)?") ? "read_csv" : "read_json";
        return function + "(" + names + ")";
    }

    private static String quoted(String text) {
        return "'" + text.replace("'", "''") + "'";
    }
}
