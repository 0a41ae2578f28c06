package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.airlift.compress.zstd.ZstdOutputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.LoadedExamples;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Broken records give a line-numbered error or are skipped and counted; nothing crashes, hangs or fills the memory. */
@Tag("slow")
class BadRecordsTest {

    private static final String GOOD = "{\"prompt\": \"Q\", \"completion\": \"A\"}";

    @TempDir
    private Path directory;

    static Stream<byte[]> brokenLines() {
        String deep = "[".repeat(100_000);
        return Stream.of(
                utf8("{\"prompt\": \"\u00e9"),
                cut(utf8("{\"prompt\": \"\u20ac\", \"completion\": \"\u20ac\"}"), 14),
                new byte[] {'{', '"', 'p', (byte) 0xFF, '"', ':', '1', '}'},
                utf8("{\"prompt\": \"a\0b\", \"completion\": \"A\"}"),
                utf8("\0\0\0\0"),
                utf8("{\"prompt\": " + deep),
                utf8("{\"prompt\": " + "{\"a\":".repeat(5000) + "1" + "}".repeat(5000) + "}"),
                utf8("{\"prompt\": \"Q\", \"prompt\": \"P\", \"completion\": \"A\"}"),
                utf8("{\"prompt\": 3, \"completion\": \"A\"}"),
                utf8("{\"prompt\": null, \"completion\": \"A\"}"),
                utf8("{\"prompt\": [], \"completion\": \"A\"}"),
                utf8("{\"prompt\": [[[[]]]], \"completion\": {}}"),
                utf8("{\"prompt\": \"Q\", \"completion\": 1" + "0".repeat(5000) + "}"),
                utf8("{}"),
                utf8("[1, 2]"),
                utf8("\"text\""),
                utf8("NaN"),
                utf8(GOOD + GOOD),
                utf8("}{"));
    }

    @ParameterizedTest
    @MethodSource("brokenLines")
    void aBrokenLineIsNamedOrSkipped(byte[] broken) throws IOException {
        ByteArrayOutputStream content = new ByteArrayOutputStream();
        content.writeBytes(utf8(GOOD + "\n"));
        content.writeBytes(broken);
        content.writeBytes(utf8("\n" + GOOD + "\n"));
        Path file = Files.write(directory.resolve("a.jsonl"), content.toByteArray());
        assertNamedAndSkipped(file, ":2: ");
    }

    @Test
    void aLineOf100MegabytesIsPassedOver() throws IOException {
        Path file = directory.resolve("long.jsonl");
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
            out.write(utf8(GOOD + "\n{\"prompt\": \""));
            byte[] piece = utf8("x".repeat(1 << 20));
            for (int i = 0; i < 100; i++) {
                out.write(piece);
            }
            out.write(utf8("\", \"completion\": \"A\"}\n" + GOOD + "\n"));
        }
        assertNamedAndSkipped(file, ":2: the record is longer than 32 MiB");
    }

    @Test
    void anArrayElementOf100MegabytesIsPassedOver() throws IOException {
        Path file = directory.resolve("long.json");
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
            out.write(utf8("[" + GOOD + ",\n{\"prompt\": ["));
            byte[] piece = utf8("1,".repeat(1 << 19));
            for (int i = 0; i < 100; i++) {
                out.write(piece);
            }
            out.write(utf8("1]},\n" + GOOD + "]"));
        }
        assertNamedAndSkipped(file, ":2: the record is longer than 32 MiB");
    }

    @Test
    void elementsOfAnArrayThatDoNotFitAreSkippedButBrokenSyntaxIsNot() throws IOException {
        Path file = Files.writeString(directory.resolve("a.json"), "[" + GOOD + ",\n3,\n{\"p\": 1},\n" + GOOD + "]");
        LoadedExamples examples = open(file, BadRecordPolicy.SKIP);
        assertEquals(2, examples.size());
        assertEquals(2, examples.badRecords().count());
        Path broken = Files.writeString(directory.resolve("b.json"), "[" + GOOD + ",\n{\"prompt\": ,\n" + GOOD + "]");
        for (BadRecordPolicy policy : BadRecordPolicy.values()) {
            assertTrue(refusal(broken, policy).startsWith(broken + ":2: not valid JSON"));
        }
    }

    @Test
    void rowsWithTooFewValuesAndOpenQuotes() throws IOException {
        Path file = Files.writeString(directory.resolve("a.csv"), "prompt,completion\nQ,A\nQ\nQ,A,B\nQ,A\n");
        assertTrue(refusal(file, BadRecordPolicy.ERROR).startsWith(file + ":3: the row has 1 values, expected 2"));
        assertEquals(2, open(file, BadRecordPolicy.SKIP).badRecords().count());
        Path open = Files.writeString(directory.resolve("b.csv"), "prompt,completion\nQ,\"A\nQ,A\n");
        assertTrue(refusal(open, BadRecordPolicy.SKIP).startsWith(open + ":2: a quote is opened"));
        Path twice = Files.writeString(directory.resolve("c.csv"), "prompt,prompt\nQ,A\n");
        assertTrue(refusal(twice, BadRecordPolicy.SKIP).contains("the header names 'prompt' twice"));
    }

    /** What a record may hold that breaks it, by name, as the bytes of a CSV row after a good one. */
    static Stream<Arguments> brokenRows() {
        return Stream.of(
                Arguments.of("truncated UTF-8", cut(utf8("Q,\u20ac"), 4), ":3: not valid UTF-8"),
                Arguments.of("NUL bytes", utf8("Q,a\0b"), ":3: "),
                Arguments.of("too many values", utf8("Q,A,B"), ":3: the row has 3 values, expected 2"),
                Arguments.of("a value of 100 MB", utf8("Q," + "x".repeat(100 << 20)), ":3: the record is longer than"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("brokenRows")
    void aBrokenRowIsNamedOrSkipped(String name, byte[] row, String where) throws IOException {
        for (String ending : List.of(".csv", ".tsv")) {
            byte[] broken = ending.equals(".tsv") ? replaced(row, ',', '\t') : row;
            String separator = ending.equals(".tsv") ? "\t" : ",";
            Path file = directory.resolve("rows" + ending);
            try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
                out.write(utf8("prompt" + separator + "completion\nQ" + separator + "A\n"));
                out.write(broken);
                out.write(utf8("\nQ" + separator + "A\n"));
            }
            assertNamedAndSkipped(file, where);
        }
    }

    private static byte[] replaced(byte[] bytes, char old, char replacement) {
        byte[] result = bytes.clone();
        for (int i = 0; i < result.length; i++) {
            result[i] = result[i] == old ? (byte) replacement : result[i];
        }
        return result;
    }

    /** The same in a JSON array: what breaks a value is skipped; what breaks the file's syntax ends it, with its line. */
    static Stream<Arguments> brokenElements() {
        String deep = "{\"a\":".repeat(5000) + "1" + "}".repeat(5000);
        return Stream.of(
                Arguments.of("wrong types", "{\"prompt\": 3, \"completion\": []}", true),
                Arguments.of("a number for an object", "17", true),
                Arguments.of("duplicate keys", "{\"prompt\": \"Q\", \"prompt\": \"P\", \"completion\": \"A\"}", false),
                Arguments.of("nesting bomb", "{\"prompt\": " + deep + "}", false),
                Arguments.of("NUL bytes", "{\"prompt\": \"a\0b\", \"completion\": \"A\"}", false),
                Arguments.of("an open string", "{\"prompt\": \"a", false));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("brokenElements")
    void aBrokenElementOfAnArrayIsNamedOrSkipped(String name, String element, boolean skipped) throws IOException {
        Path file = Files.writeString(directory.resolve("a.json"), "[" + GOOD + ",\n" + element + ",\n" + GOOD + "]");
        if (skipped) {
            assertNamedAndSkipped(file, ":2: ");
            return;
        }
        for (BadRecordPolicy policy : BadRecordPolicy.values()) {
            assertTimeoutPreemptively(Duration.ofSeconds(20), () -> {
                String refusal = refusal(file, policy);
                assertTrue(refusal.startsWith(file + ":2: "), refusal);
                assertEquals(1, refusal.lines().count(), refusal);
                assertTrue(refusal.length() < 1000, "the message stays readable");
            });
        }
    }

    @Test
    void packedFilesThatWereCutOffOrDamagedAreNamed() throws IOException {
        String lines = (GOOD + "\n").repeat(500);
        byte[] gzip = gzip(utf8(lines));
        byte[] zstd = zstd(utf8(lines));
        for (byte[] packed : List.of(gzip, zstd)) {
            Path whole = Files.write(directory.resolve("whole.jsonl.packed"), packed);
            assertEquals(500, open(whole, BadRecordPolicy.ERROR).size());
            for (int length = 5; length < packed.length; length += Math.max(1, packed.length / 9)) {
                Path file = Files.write(directory.resolve("cut.jsonl.packed"), cut(packed, length));
                for (BadRecordPolicy policy : BadRecordPolicy.values()) {
                    String refusal = refusal(file, policy);
                    assertTrue(refusal.startsWith(file + ": not a whole "), refusal);
                    assertEquals(1, refusal.lines().count(), refusal);
                }
            }
            byte[] damaged = packed.clone();
            for (int i = packed.length / 2; i < packed.length / 2 + 4; i++) {
                damaged[i] ^= 0x55;
            }
            Path file = Files.write(directory.resolve("damaged.jsonl.packed"), damaged);
            String refusal = refusal(file, BadRecordPolicy.ERROR);
            assertTrue(refusal.startsWith(file.toString()), refusal);
        }
    }

    @Test
    void aSmallPackedFileOfOneHugeRecordIsRefusedByItsLength() throws IOException {
        byte[] content = utf8(GOOD + "\n{\"prompt\": \"" + "x".repeat(34_000_000) + "\"}\n");
        for (byte[] packed : List.of(gzip(content), zstd(content))) {
            Path file = Files.write(directory.resolve("bomb.jsonl.packed"), packed);
            assertEquals(file + ":2: the record is longer than 32 MiB, split it", refusal(file, BadRecordPolicy.ERROR));
        }
    }

    private static byte[] gzip(byte[] content) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (OutputStream out = new GZIPOutputStream(bytes)) {
            out.write(content);
        }
        return bytes.toByteArray();
    }

    private static byte[] zstd(byte[] content) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (OutputStream out = new ZstdOutputStream(bytes)) {
            out.write(content);
        }
        return bytes.toByteArray();
    }

    @Test
    void aParquetFileThatIsNoneIsNamed() throws IOException {
        for (byte[] content : List.of(utf8("PAR1"), utf8("PAR1" + "x".repeat(100) + "PAR1"), utf8(GOOD), new byte[0])) {
            Path file = Files.write(directory.resolve("a.parquet"), content);
            String refusal = refusal(file, BadRecordPolicy.SKIP);
            assertTrue(refusal.contains("a.parquet"), refusal);
            assertEquals(1, refusal.lines().count(), refusal);
        }
    }

    @Test
    void aSmallParquetFileOfHugeValuesIsRefusedBeforeTheyAreRead() throws IOException, SQLException {
        Path file = directory.resolve("a.parquet");
        try (Connection connection = DriverManager.getConnection("jdbc:duckdb:");
                Statement statement = connection.createStatement()) {
            statement.execute("COPY (SELECT 'q' AS prompt, repeat('x', 34000000) AS completion FROM range(3)) TO '"
                    + file + "' (FORMAT parquet)");
        }
        String refusal = refusal(file, BadRecordPolicy.SKIP);
        assertEquals(file + ":1: the value of 'completion' is longer than 32 MiB, split it", refusal);
    }

    @Test
    void randomBytesNeverEscapeAsAnotherException() throws IOException {
        Random random = new Random(5);
        String sample =
                "[{\"prompt\": \"Q\\n\", \"completion\": \"A\"}, {\"messages\": [{\"role\": \"user\"}]}]\n\"',\t\0{}[]";
        for (int round = 0; round < 600; round++) {
            byte[] content = new byte[random.nextInt(200)];
            for (int i = 0; i < content.length; i++) {
                content[i] = random.nextInt(8) == 0
                        ? (byte) random.nextInt(256)
                        : (byte) sample.charAt(random.nextInt(sample.length()));
            }
            String ending = List.of(".jsonl", ".json", ".csv", ".tsv", ".txt").get(round % 5);
            Path file = Files.write(directory.resolve("fuzz" + ending), content);
            assertTimeoutPreemptively(Duration.ofSeconds(20), () -> {
                for (BadRecordPolicy policy : BadRecordPolicy.values()) {
                    try {
                        LoadedExamples examples = open(file, policy);
                        for (int i = 0; i < examples.size(); i++) {
                            examples.get(i);
                        }
                    } catch (UserErrorException e) {
                        assertEquals(1, String.valueOf(e.getMessage()).lines().count(), e.getMessage());
                    }
                }
            });
        }
    }

    private static void assertNamedAndSkipped(Path file, String where) {
        assertTimeoutPreemptively(Duration.ofSeconds(60), () -> {
            String refusal = refusal(file, BadRecordPolicy.ERROR);
            assertTrue(refusal.startsWith(file + where), refusal);
            assertEquals(1, refusal.lines().count(), refusal);
            assertTrue(refusal.length() < 1000, "the message stays readable");
            LoadedExamples skipped = open(file, BadRecordPolicy.SKIP);
            assertEquals(2, skipped.size());
            assertEquals(1, skipped.badRecords().count());
            assertEquals(skipped.get(0), skipped.get(1));
        });
    }

    private static LoadedExamples open(Path file, BadRecordPolicy policy) {
        return LoadedExamples.open(
                DatasetSpec.of(file.toString()).onBadRecord(policy).build());
    }

    private static String refusal(Path file, BadRecordPolicy policy) {
        return String.valueOf(
                assertThrows(UserErrorException.class, () -> open(file, policy)).getMessage());
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] cut(byte[] bytes, int length) {
        return java.util.Arrays.copyOf(bytes, length);
    }
}
