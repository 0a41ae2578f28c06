package org.finetune4j.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RecordFileTest {

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"\n", "\r\n", "\r"})
    void blankLinesByteOrderMarkAndAnyLineEndAreFine(String end) throws IOException {
        Path file = write(("\uFEFF|{\"a\": \"é\"}|  |\t{\"a\": \"🦖\"}  ||{\"a\": \"last\"}").replace("|", end));
        RecordFile records = RecordFile.open(file);
        assertEquals(3, records.size());
        assertEquals("last", records.get(2).get("a").textValue());
        assertEquals("é", records.get(0).get("a").textValue());
        assertEquals("🦖", records.get(1).get("a").textValue());
        assertEquals(file + ":2", records.location(0));
        assertEquals(file + ":4", records.location(1));
        assertEquals(file + ":6", records.location(2));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "\uFEFF", " \n\n\t"})
    void anArrayIsReadWhateverTheFileIsCalled(String before) throws IOException {
        Path file = write(before + "[\n {\"a\": \"é\"},\n\n {\"a\": {\"b\": [1, 2]}}, {\"a\": \"]\"}\n]\n");
        RecordFile records = RecordFile.open(file);
        assertEquals(3, records.size());
        assertEquals("]", records.get(2).get("a").textValue());
        assertEquals("{\"a\":{\"b\":[1,2]}}", records.get(1).toString());
        assertEquals("é", records.get(0).get("a").textValue());
        long lineBreaks = before.chars().filter(c -> c == '\n').count();
        assertEquals(file + ":" + (4 + lineBreaks), records.location(2));
    }

    @Test
    void recordsFarIntoALargeFileAreFound() throws IOException {
        String lines = IntStream.range(0, 30_000)
                .mapToObj(i -> "{\"n\": " + i + ", \"text\": \"" + "é".repeat(i % 7) + "\"}")
                .collect(Collectors.joining("\n"));
        RecordFile asLines = RecordFile.open(write(lines));
        RecordFile asArray = RecordFile.open(
                Files.writeString(directory.resolve("array.json"), "[" + lines.replace("\n", ",\n") + "]"));
        for (int i = 29_999; i >= 0; i -= 1111) {
            assertEquals(i, asLines.get(i).get("n").intValue());
            assertEquals(asLines.get(i), asArray.get(i));
            assertTrue(asArray.location(i).endsWith(":" + (i + 1)));
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"a\": 1                      | not valid JSON",
                "{\"a\": 1}}                    | not valid JSON",
                "{\"a\": 1} {\"b\": 2}          | more on the line",
                "{'a': 1}                       | not valid JSON",
                "{\"a\": NaN}                   | not valid JSON",
                "{\"a\": 1, \"a\": 2}           | Duplicate field 'a'",
                "[{\"a\": 1}]                   | must be a JSON object, got array",
                "\"text\"                       | must be a JSON object, got string",
                "null                           | must be a JSON object, got null",
                "plain text                     | not valid JSON",
            })
    void aMalformedLineIsNamedWithItsNumberAndReason(String line, String reason) throws IOException {
        Path file = write("{\"a\": 0}\n\n" + line + "\n{\"a\": 3}\n");
        String message = refusal(file);
        assertTrue(message.startsWith(file + ":3: "), message);
        assertTrue(message.contains(reason), message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[{\"a\": 0},;{\"a\": }]         | :2: not valid JSON",
                "[{\"a\": 0},;{\"a\": 1}         | :2: not valid JSON",
                "[{\"a\": 0};{\"a\": 1}]         | :2: not valid JSON",
                "[{\"a\": 0},;{\"a\": 1, \"a\": 2}] | :2: not valid JSON: Duplicate field 'a'",
                "[{\"a\": 0},;5]                 | :2: a record must be a JSON object, got number",
                "[{\"a\": 0}];{\"b\": 0}         | :2: there is more after the end",
                "[                               | :1: not valid JSON",
                "[]                              | : the dataset is empty",
            })
    void aMalformedArrayIsNamedWithItsLineAndReason(String content, String reason) throws IOException {
        Path file = write(content.replace(';', '\n'));
        String message = refusal(file);
        assertTrue(message.startsWith(file + reason), message);
    }

    @Test
    void bytesThatAreNotUtf8AreNamedWithTheirLine() throws IOException {
        Path file = directory.resolve("latin.jsonl");
        Files.write(file, "{\"a\": \"x\"}\n{\"a\": \"café\"}\n".getBytes(StandardCharsets.ISO_8859_1));
        assertEquals(file + ":2: not valid UTF-8", refusal(file));
        Files.write(file, "[{\"a\": \"x\"},\n{\"a\": \"café\"}\n]".getBytes(StandardCharsets.ISO_8859_1));
        assertTrue(refusal(file).startsWith(file + ":2: not valid JSON: Invalid UTF-8"), refusal(file));
    }

    @Test
    void anotherEncodingIsNamed() throws IOException {
        Path file = directory.resolve("wide.json");
        Files.write(file, "\uFEFF[{\"a\": 1}]".getBytes(StandardCharsets.UTF_16LE));
        assertEquals(file + ": the file is in UTF-16; save it in UTF-8", refusal(file));
        Files.write(file, "[{\"a\": 1}]".getBytes(StandardCharsets.UTF_16LE));
        assertEquals(file + ": the file is not in UTF-8", refusal(file));
    }

    @Test
    void nulBytesAreNamedWithTheirLine() throws IOException {
        Path file = write("{\"a\": 1}\n{\"a\": \"\0\"}\n");
        assertTrue(refusal(file).startsWith(file + ":2: not valid JSON: Illegal unquoted character"), refusal(file));
        Path zeros = write("\0".repeat(10_000));
        assertTrue(refusal(zeros).startsWith(zeros + ":1: not valid JSON"), refusal(zeros));
    }

    @Test
    void aNestingBombIsNamedWithItsLine() throws IOException {
        Path file = write("{\"a\": 1}\n{\"a\": " + "[".repeat(200_000) + "\n");
        assertTrue(refusal(file).startsWith(file + ":2: not valid JSON: Document nesting depth"), refusal(file));
        Path array = write("[{\"a\": 1},\n{\"a\": " + "[".repeat(200_000));
        assertTrue(refusal(array).startsWith(array + ":2: not valid JSON: Document nesting depth"), refusal(array));
    }

    @Test
    void aLineThatIsFarTooLongIsNamedWithoutReadingItAll() throws IOException {
        Path file = directory.resolve("long.jsonl");
        try (BufferedWriter writer = Files.newBufferedWriter(file)) {
            writer.write("{\"a\": 1}\n{\"a\": \"");
            for (int i = 0; i < 100; i++) {
                writer.write("x".repeat(1 << 20));
            }
            writer.write("\"}\n");
        }
        assertEquals(file + ":2: the record is longer than 32 MiB, split it", refusal(file));
    }

    @Test
    void aFileWithoutRecordsIsRefused() throws IOException {
        for (String content : new String[] {"", "\uFEFF", "\n \n", "[]", "[ \n ]"}) {
            Path file = write(content);
            assertEquals(file + ": the dataset is empty, expected at least one record", refusal(file));
        }
    }

    @Test
    void whatIsNoFileIsRefused() {
        Path missing = directory.resolve("missing.jsonl");
        assertEquals("no such file: " + missing, refusal(missing));
        assertEquals("cannot read " + directory + ": it is a directory, expected a file", refusal(directory));
    }

    @Test
    void aFileThatChangesWhileInUseIsRefused() throws IOException {
        Path file = write("{\"a\": 1}\n");
        RecordFile records = RecordFile.open(file);
        write("{\"a\": 1, \"b\": 2}\n");
        String message =
                assertThrows(UserErrorException.class, () -> records.get(0)).getMessage();
        assertEquals(file + ": the file was changed while it was in use", message);
        Files.delete(file);
        assertEquals(
                "cannot read " + file + ": no such file",
                assertThrows(UserErrorException.class, () -> records.get(0)).getMessage());
    }

    private String refusal(Path file) {
        String message = assertThrows(UserErrorException.class, () -> RecordFile.open(file))
                .getMessage();
        assertFalse(message.contains("\n"), message);
        return message;
    }

    private Path write(String content) throws IOException {
        return Files.writeString(directory.resolve("data.jsonl"), content);
    }
}
