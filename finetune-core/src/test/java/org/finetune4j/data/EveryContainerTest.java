package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.airlift.compress.zstd.ZstdOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.finetune4j.Json;
import org.finetune4j.TestJson;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What JSON Lines gives, every container gives, and a query over it. Keys whose value is null count as absent. */
class EveryContainerTest {

    /** Texts that look like something else. */
    private static final List<String> TEXTS = List.of(
            "08:30",
            "23:05:00",
            "2024-01-05",
            "01/02/2024",
            "2024-01-05T08:30:00Z",
            "1.50",
            "10.00",
            "007",
            "1e5",
            "12345678901234567890123",
            "true",
            "null",
            "NaN",
            "inf",
            "",
            " ",
            "[1, 2]",
            "{\"a\": 1}",
            "550e8400-e29b-41d4-a716-446655440000",
            "0x1F",
            "a, \"quoted\" text",
            "it's",
            "日本語 🦖");

    /** Records with everything that JSON has; the last has a key that no other has, some lack what others have. */
    private static final List<String> RECORDS = List.of(
            "{\"t\": \"08:30\", \"n\": 1, \"d\": 1.5, \"b\": true, \"big\": 12345678901234567890123, \"m\":"
                    + " [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"x\","
                    + " \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": {\"city\": \"Oslo\"}}}]}],"
                    + " \"mixed\": 1, \"map\": {\"a\": 1}}",
            "{\"t\": \"\", \"n\": -2, \"d\": 10.25, \"b\": false, \"big\": 1, \"m\":"
                    + " [{\"role\": \"user\", \"content\": \"1.50\", \"name\": \"Tom\"}], \"mixed\": \"one\","
                    + " \"map\": {\"b\": [1, null, {\"c\": null}]}}",
            "{\"t\": null, \"n\": 9007199254740993, \"mixed\": [1, \"two\"], \"map\": {}}",
            "{\"t\": \"x\", \"late\": \"1.50\", \"mixed\": 2.50}");

    @TempDir
    private Path directory;

    /** One way of keeping records. */
    private record Container(
            String name, Writing writing, @Nullable String sql) {
        @Override
        public String toString() {
            return name + (sql == null ? "" : " by " + sql);
        }

        Container query(String text) {
            return new Container(name, writing, text);
        }
    }

    /** Writes lines of JSON into a file of another kind. */
    private interface Writing {
        Path write(Path directory, List<String> lines) throws IOException, SQLException;
    }

    private static Container container(String file, Writing writing) {
        return new Container(file, writing, null);
    }

    private static Path packed(Path file, List<String> lines, Stream<OutputStream> packing) throws IOException {
        try (OutputStream out = packing.findFirst().orElseThrow()) {
            out.write(String.join("\n", lines).getBytes(StandardCharsets.UTF_8));
        }
        return file;
    }

    private static Path parquet(Path directory, List<String> lines) throws IOException, SQLException {
        Path source = Files.write(directory.resolve("source.jsonl"), lines);
        Path target = directory.resolve("a.parquet");
        try (Connection connection = DriverManager.getConnection("jdbc:duckdb:");
                Statement statement = connection.createStatement()) {
            statement.execute("COPY (SELECT * FROM read_json('" + source + "', columns = {t: 'VARCHAR'}, format ="
                    + " 'newline_delimited')) TO '" + target + "' (FORMAT parquet)");
        }
        return target;
    }

    private static Path table(Path file, List<String> lines, String separator) throws IOException {
        List<String> rows = new ArrayList<>(List.of("t" + separator + "other"));
        for (String line : lines) {
            String text = TestJson.parse(line).path("t").textValue();
            String value = separator.equals(",") ? '"' + text.replace("\"", "\"\"") + '"' : text;
            rows.add(value + separator + "x");
        }
        return Files.write(file, rows);
    }

    private static List<Container> json() {
        return List.of(
                container("a.jsonl", (dir, lines) -> Files.write(dir.resolve("a.jsonl"), lines)),
                container(
                        "a.json",
                        (dir, lines) ->
                                Files.writeString(dir.resolve("a.json"), "[" + String.join(",\n", lines) + "]")),
                container("pretty.json", (dir, lines) -> {
                    List<String> pretty = new ArrayList<>();
                    for (String line : lines) {
                        pretty.add(TestJson.parse(line).toPrettyString());
                    }
                    return Files.write(dir.resolve("pretty.json"), pretty);
                }),
                container(
                        "list.json",
                        (dir, lines) -> Files.writeString(
                                dir.resolve("list.json"), "[\n" + String.join(",\n", lines) + "\n]\n")),
                container("a.jsonl.gz", (dir, lines) -> {
                    Path file = dir.resolve("a.jsonl.gz");
                    return packed(file, lines, Stream.of(new GZIPOutputStream(Files.newOutputStream(file))));
                }),
                container("a.jsonl.zst", (dir, lines) -> {
                    Path file = dir.resolve("a.jsonl.zst");
                    return packed(file, lines, Stream.of(new ZstdOutputStream(Files.newOutputStream(file))));
                }));
    }

    static Stream<Container> anyRecords() {
        return json().stream()
                .flatMap(one -> Stream.of(one, one.query("SELECT * FROM data"), one.query("SELECT * FROM 'FILE'")));
    }

    static Stream<Container> texts() {
        Stream<Container> tables = Stream.of(
                container("a.csv", (dir, lines) -> table(dir.resolve("a.csv"), lines, ",")),
                container("a.tsv", (dir, lines) -> table(dir.resolve("a.tsv"), lines, "\t")),
                container("a.parquet", EveryContainerTest::parquet));
        return Stream.concat(json().stream(), tables)
                .flatMap(one -> Stream.of(
                        one,
                        one.query("SELECT t FROM data;"),
                        one.query("SELECT t FROM 'FILE' WHERE length(t) < 500 -- all")));
    }

    private List<JsonNode> read(Container container, List<String> lines) throws IOException, SQLException {
        Path file = container.writing().write(directory, lines);
        String query = container.sql();
        String sql = query == null ? null : query.replace("FILE", file.toString());
        List<String> paths = query != null && query.contains("FILE") ? List.of() : List.of(file.toString());
        RecordSource source = RecordFiles.open(
                paths, new ReadOptions(true, sql), record -> {}, new BadRecords(BadRecordPolicy.ERROR));
        return IntStream.range(0, source.size())
                .mapToObj(i -> RecordFields.withoutNulls(source.get(i)))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("texts")
    void aTextStaysTheTextThatItIs(Container container) throws IOException, SQLException {
        List<String> lines = new ArrayList<>();
        for (String text : TEXTS) {
            lines.add(Json.write(Json.object().put("t", text)));
        }
        List<String> read = read(container, lines).stream()
                .map(record -> record.path("t").asText("absent"))
                .toList();
        assertEquals(TEXTS, read);
    }

    @ParameterizedTest
    @MethodSource("anyRecords")
    void anyRecordIsWhatJsonLinesGives(Container container) throws IOException, SQLException {
        List<JsonNode> expected = new ArrayList<>();
        for (String record : RECORDS) {
            expected.add(RecordFields.withoutNulls(TestJson.parse(record)));
        }
        assertEquals(
                expected.stream().map(EveryContainerTest::sorted).collect(Collectors.joining("\n")),
                read(container, RECORDS).stream()
                        .map(EveryContainerTest::sorted)
                        .collect(Collectors.joining("\n")));
    }

    /** With the keys of the record, not of what is in it, in one order. */
    private static String sorted(JsonNode record) {
        return record.properties().stream().map(Object::toString).sorted().collect(Collectors.joining(", "));
    }

    @Test
    void typesOfParquetBecomeTheJsonThatTheyAre() throws SQLException {
        Path file = directory.resolve("types.parquet");
        try (Connection connection = DriverManager.getConnection("jdbc:duckdb:");
                Statement statement = connection.createStatement()) {
            statement.execute(
                    "COPY (SELECT TIME '08:30' AS time, DATE '2024-01-05' AS date, 1.50::DECIMAL(10,2) AS price,"
                            + " 'nan'::DOUBLE AS nothing, 12345678901234567890123::DECIMAL(38,0) AS big, 0.1::FLOAT AS f,"
                            + " '550e8400-e29b-41d4-a716-446655440000'::UUID AS id, '' AS empty, NULL::VARCHAR AS missing,"
                            + " MAP {'a': 1} AS map, [{'role': 'user', 'tool_calls': NULL}, {'role': 'tool', 'tool_calls': [1, NULL]}] AS m,"
                            + " 3 AS n, true AS b) TO '" + file + "' (FORMAT parquet)");
        }
        String expected = "{\"time\":\"08:30:00\",\"date\":\"2024-01-05\",\"price\":1.5,"
                + "\"big\":12345678901234567890123,\"f\":0.1,"
                + "\"id\":\"550e8400-e29b-41d4-a716-446655440000\",\"empty\":\"\",\"map\":{\"a\":1},"
                + "\"m\":[{\"role\":\"user\"},{\"role\":\"tool\",\"tool_calls\":[1,null]}],\"n\":3,\"b\":true}";
        for (String sql : Arrays.asList(null, "SELECT * FROM data", "SELECT * FROM '" + file + "'")) {
            RecordSource source = RecordFiles.open(
                    List.of(file.toString()),
                    new ReadOptions(true, sql),
                    record -> {},
                    new BadRecords(BadRecordPolicy.ERROR));
            assertEquals(expected, source.get(0).toString(), () -> "by " + sql);
        }
    }

    @Test
    void numbersAndTruthValuesCanBeComparedInAQuery() throws IOException, SQLException {
        Container container = json().get(0).query("SELECT t FROM data WHERE n > 0 AND b AND m[0].role = '\"user\"'");
        assertEquals(
                List.of("{\"t\":\"08:30\"}"),
                read(container, RECORDS).stream().map(JsonNode::toString).toList());
    }

    @ParameterizedTest
    @ValueSource(strings = {"SELECT nothing FROM data", "DROP TABLE data", "SELECT t FROM data WHERE t > 3"})
    void aQueryThatCannotBeAnsweredIsRefusedInOneLine(String sql) {
        String message = assertThrows(
                        UserErrorException.class, () -> read(json().get(0).query(sql), RECORDS))
                .getMessage();
        assertTrue(message.length() < 600 && !message.contains("\n"), message);
    }

    @Test
    void keysThatDifferInCaseOnlyAreRefusedByName() {
        List<String> lines = List.of("{\"a\": 1, \"A\": 2}");
        String message = assertThrows(
                        UserErrorException.class, () -> read(json().get(0).query("SELECT * FROM data"), lines))
                .getMessage();
        assertTrue(message.contains("'a' and 'A' are one and the same for a query"), message);
    }
}
