package org.finetune4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whole files or none. */
class AtomicFilesTest {

    @TempDir
    Path directory;

    private List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void aWriterThatFailsLeavesWhatWasThere() throws IOException {
        Path file = directory.resolve("a");
        AtomicFiles.writeString(file, "old");
        assertThrows(
                UserErrorException.class,
                () -> AtomicFiles.write(file, path -> {
                    Files.writeString(path, "ne");
                    throw new IOException("disk full");
                }));
        assertEquals("old", Files.readString(file));
        assertEquals(List.of("a"), names());
    }

    @Test
    void aProcessThatEndsTakesHalfAFileWithIt() throws IOException {
        Path file = directory.resolve("a");
        assertThrows(
                UserErrorException.class,
                () -> AtomicFiles.write(file, path -> {
                    Files.writeString(path, "half");
                    AtomicFiles.deleteUnfinished();
                    assertEquals(List.of(), names());
                }));
        AtomicFiles.deleteUnfinished();
        Path below = AtomicFiles.temporaryDirectory(directory.resolve("new"), "states-");
        for (Path made : List.of(AtomicFiles.temporaryDirectory("atomic-files"), below)) {
            Files.writeString(made.resolve("b"), "half");
        }
        Path single = AtomicFiles.temporaryFile("atomic-files", ".tmp");
        AtomicFiles.deleteUnfinished();
        assertEquals(List.of("new"), names());
        assertFalse(Files.exists(below) || Files.exists(single));
    }

    @Test
    void aTemporaryDirectoryThatCannotBeMadeIsRefusedWithItsParent() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "x");
        String message = String.valueOf(
                assertThrows(UserErrorException.class, () -> AtomicFiles.temporaryDirectory(file, "states-"))
                        .getMessage());
        assertTrue(message.startsWith("cannot write to " + file), message);
    }

    @Test
    void whatIsNoOrdinaryFileIsNotReplaced() throws IOException {
        Path inside = Files.createDirectory(directory.resolve("d"));
        assertTrue(refused(inside).contains("it is a directory"));
        assertTrue(refused(Path.of("")).contains("without a name"));
        assertEquals(List.of("d"), names());
    }

    @Test
    void aDeviceIsNotReplaced() {
        Path device = Path.of("/dev/null");
        assumeTrue(Files.exists(device), "this system has no such device");
        assertTrue(refused(device).contains("no ordinary file"));
    }

    private static String refused(Path target) {
        return String.valueOf(assertThrows(UserErrorException.class, () -> AtomicFiles.writeString(target, "x"))
                .getMessage());
    }
}
