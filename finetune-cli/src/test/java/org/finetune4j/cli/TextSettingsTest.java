package org.finetune4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Plain text is plain text, whatever names it. */
class TextSettingsTest {

    @TempDir
    private Path directory;

    @BeforeEach
    void write() throws IOException {
        Files.writeString(directory.resolve("a.txt"), "one\n");
        Files.writeString(directory.resolve("b.txt"), "two\n");
    }

    private static @Nullable TextSettings of(Object trainFile) {
        return of(Map.of("train_file", trainFile));
    }

    private static @Nullable TextSettings of(Map<String, Object> values) {
        Settings settings = new Settings("run.yaml", values);
        return TextSettings.of(settings, new DatasetSettings(settings).training());
    }

    @Test
    void aFileAListAPatternAndADirectoryOfTextFilesAreAllPlainText() {
        String a = directory.resolve("a.txt").toString();
        String b = directory.resolve("b.txt").toString();
        TextSettings expected = of(a);
        assertNotNull(expected);
        assertEquals(expected, of(List.of(a)));
        assertEquals(expected, of(List.of(a, b)));
        assertEquals(expected, of(directory + "/*.txt"));
        assertEquals(expected, of(directory.toString()));
        assertEquals(expected, of(Map.of("datasets", List.of(Map.of("path", a), Map.of("path", b)))));
    }

    @Test
    void recordsAmongThemMakeItADatasetOfRecords() throws IOException {
        Path records = Files.writeString(directory.resolve("c.jsonl"), "{\"text\": \"three\"}\n");
        assertNull(of(List.of(directory.resolve("a.txt").toString(), records.toString())));
        assertNull(of(directory.toString()));
    }

    @Test
    void recordsOfTextAreWhatTheirFormatSays() throws IOException {
        Path records = Files.writeString(directory.resolve("c.csv"), "id,body\n1,three\n");
        TextSettings settings = Objects.requireNonNull(of(
                Map.of("train_file", records.toString(), "dataset_format", "text", "columns", Map.of("text", "body"))));
        assertEquals("body", settings.textField());
    }

    @Test
    void whatIsForRecordsOnlyIsRefusedByName() {
        Map<String, Object> values =
                Map.of("train_file", directory.resolve("a.txt").toString(), "max_samples", 5);
        String message =
                assertThrows(UserErrorException.class, () -> of(values)).getMessage();
        assertTrue(message.contains("plain text, which is read as a whole: 'weight' and 'max_samples'"), message);
    }
}
