package org.finetune4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class InputFilesTest {

    @TempDir
    Path directory;

    private static String refused(Runnable action) {
        String message = String.valueOf(
                assertThrows(UserErrorException.class, action::run).getMessage());
        assertTrue(message.length() < 2000, message);
        assertTrue(message.chars().noneMatch(Character::isISOControl), message);
        return message;
    }

    static Stream<Consumer<Path>> waysToRead() {
        return Stream.of(
                InputFiles::text,
                InputFiles::json,
                InputFiles::jsonObject,
                InputFiles::vocabulary,
                InputFiles::vocabularyObject,
                InputFiles::open);
    }

    @ParameterizedTest
    @MethodSource("waysToRead")
    void whatNeverEndsIsNotOpened(Consumer<Path> read) throws IOException, InterruptedException {
        Path device = Path.of("/dev/zero");
        assumeTrue(Files.exists(device));
        Path pipe = directory.resolve("pipe");
        assumeTrue(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() == 0);
        assertTimeoutPreemptively(Duration.ofSeconds(30), () -> {
            for (Path file : List.of(device, pipe)) {
                assertTrue(refused(() -> read.accept(file)).contains("no ordinary file"));
            }
            assertTrue(refused(() -> read.accept(directory)).contains("it is a directory"));
            assertTrue(refused(() -> read.accept(directory.resolve("none"))).contains("no such file"));
        });
    }

    @Test
    void linksInACircleAreNoFile() throws IOException {
        Path link = directory.resolve("a");
        Files.createSymbolicLink(link, directory.resolve("b"));
        Files.createSymbolicLink(directory.resolve("b"), link);
        refused(() -> InputFiles.text(link));
    }

    @ParameterizedTest
    @ValueSource(strings = {"null", "[]", "3", "\"x\"", "true", "", " ", "{", "{}{}", "{\"a\": 1,}", "NaN", "\u0000"})
    void whatIsNoJsonObjectIsRefusedWithTheFile(String json) throws IOException {
        Path file = Files.writeString(directory.resolve("config.json"), json);
        assertTrue(refused(() -> InputFiles.jsonObject(file)).contains(file.toString()));
    }

    @Test
    void jsonThatIsNestedDeeplyIsRefused() throws IOException {
        for (String open : List.of("[", "{\"a\":")) {
            Path file = Files.writeString(directory.resolve("deep.json"), open.repeat(1_000_000));
            refused(() -> InputFiles.json(file));
        }
    }

    @Test
    void aTextThatIsNotUtf8IsRefused() throws IOException {
        Path file = Files.write(directory.resolve("text"), new byte[] {'a', (byte) 0xff});
        assertTrue(refused(() -> InputFiles.text(file)).contains("UTF-8"));
    }

    @Test
    void aTextThatCannotBeAPathIsRefusedByItsSetting() {
        assertTrue(refused(() -> InputFiles.path("output_dir", "a\0b")).startsWith("output_dir: 'a\\u0000b'"));
        assertEquals(
                Path.of("a", "b"),
                InputFiles.path("output_dir", Path.of("a", "b").toString()));
    }

    @Test
    void everyMessageIsOneShortLineWhateverItQuotes() {
        String quoted = "x".repeat(2_000_000);
        String message = new UserErrorException("config.yaml: 'r' is " + quoted + ", expected a number").getMessage();
        assertTrue(message.length() < 2000, message.length() + " characters");
        assertTrue(message.startsWith("config.yaml: 'r' is ") && message.endsWith(", expected a number"));
        String hostile = new FinetuneException("a\r\nb\u001b[31m\u2028\u202e\0".repeat(1000)).getMessage();
        assertTrue(hostile.length() < 2000 * 6);
        assertFalse(hostile.chars().anyMatch(c -> Character.isISOControl(c) || c == 0x2028 || c == 0x202e));
        assertTrue(hostile.startsWith("a\\r\\nb\\u001b[31m\\u2028\\u202e\\u0000a"));
        assertTrue(hostile.length() < 2000, hostile.length() + " characters");
    }
}
