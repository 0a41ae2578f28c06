package org.finetune4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole files or none. */
class AtomicFilesTest {

    @TempDir
    Path directory;

    /** Java closes the file that an interrupted thread writes. */
    @Test
    void anInterruptedThreadWritesItsFilesAndIsInterruptedAfterwards() throws IOException {
        Path file = directory.resolve("a");
        Thread.currentThread().interrupt();
        AtomicFiles.writeString(file, "before");
        assertTrue(Thread.interrupted());
        AtomicBoolean once = new AtomicBoolean(true);
        AtomicFiles.write(file, path -> {
            if (once.getAndSet(false)) {
                Thread.currentThread().interrupt();
            }
            Files.writeString(path, "meanwhile");
        });
        assertTrue(Thread.interrupted());
        assertEquals("meanwhile", Files.readString(file));
        Thread.currentThread().interrupt();
        AtomicFiles.writeDirectory(
                directory.resolve("d"), partial -> Files.writeString(partial.resolve("b"), "in a directory"));
        assertTrue(Thread.interrupted());
        assertEquals("in a directory", Files.readString(directory.resolve("d/b")));
    }

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

    /** Downloads and containers have such files; the mode of the source would let nobody finish the copy. */
    @Test
    void aCopyOfAFileThatNobodyMayWriteIsAnOrdinaryFile() throws IOException {
        assumeTrue(Files.getFileStore(directory).supportsFileAttributeView("posix"));
        Path source = directory.resolve("a");
        Path copy = directory.resolve("b");
        Files.writeString(source, "content");
        Files.setPosixFilePermissions(source, PosixFilePermissions.fromString("r--r--r--"));

        AtomicFiles.copy(source, copy);
        AtomicFiles.copy(source, copy);

        assertEquals("content", Files.readString(copy));
        assertTrue(Files.getPosixFilePermissions(copy).contains(PosixFilePermission.OWNER_WRITE));
        assertEquals(List.of("a", "b"), names());
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

    /** Who makes one looks for abandoned ones, and takes none away that another is about to delete. */
    @Test
    void threadsMakeAndDeleteTemporaryDirectoriesSideBySide(@TempDir Path parent) throws Exception {
        List<Callable<Void>> threads = Collections.nCopies(4, () -> {
            for (int i = 0; i < 200; i++) {
                Path made = AtomicFiles.temporaryDirectory(parent, "side-");
                Files.writeString(made.resolve("file"), "text");
                AtomicFiles.deleteTemporary(made);
            }
            return null;
        });
        ExecutorService pool = Executors.newFixedThreadPool(threads.size());
        try {
            for (Future<Void> done : pool.invokeAll(threads)) {
                done.get();
            }
        } finally {
            pool.shutdownNow();
        }
        assertEquals(0, Objects.requireNonNull(parent.toFile().list()).length, "directories left");
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

    /** All that a kill can leave of an exchange: what lies there before, and what must lie there after tidying up. */
    @ParameterizedTest
    @CsvSource({
        "'d=old,.d.partial=half', 'd=old'",
        "'.d.partial=half', ''",
        "'.d.old=old,.d.partial=new', 'd=new'",
        "'.d.old=old', 'd=old'",
        "'d=new,.d.old=ol', 'd=new'",
        "'.d.deleted=ol', ''",
        "'d=new,.d.deleted=ol', 'd=new'",
    })
    void whatAKillLeavesOfADirectoryIsFinishedOrUndone(String before, String after) throws IOException {
        for (String entry : before.split(",")) {
            Path made = Files.createDirectory(directory.resolve(entry.split("=")[0]));
            Files.writeString(made.resolve("content"), entry.split("=")[1]);
            assertTrue(
                    entry.startsWith("d=") || AtomicFiles.leftoverOf(made).equals(Optional.of(directory.resolve("d"))));
        }
        AtomicFiles.recover(directory.resolve("d"));
        assertEquals(after.isEmpty() ? List.of() : List.of("d"), names());
        if (!after.isEmpty()) {
            assertEquals(after.split("=")[1], Files.readString(directory.resolve("d/content")));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"d", ".d", "d.partial", ".partial", ".old", ".vimrc"})
    void otherNamesAreNoLeftovers(String name) {
        assertEquals(Optional.empty(), AtomicFiles.leftoverOf(directory.resolve(name)));
    }

    @Test
    void aDirectoryThatIsDeletedLosesItsNameFirst() throws IOException {
        Path target = Files.createDirectory(directory.resolve("d"));
        Files.writeString(target.resolve("content"), "x");
        AtomicFiles.deleteDirectory(target);
        AtomicFiles.deleteDirectory(target);
        assertEquals(List.of(), names());
    }

    @Test
    void aFileIsNotReplacedByADirectory() throws IOException {
        Path file = Files.writeString(directory.resolve("f"), "x");
        assertThrows(UserErrorException.class, () -> AtomicFiles.writeDirectory(file, path -> {}));
        assertEquals("x", Files.readString(file));
        assertEquals(List.of("f"), names());
    }

    @Test
    void temporaryDirectoriesOfKilledProcessesGoAndThoseInUseStay() throws IOException, InterruptedException {
        Process child = new ProcessBuilder(
                        ChildJvm.command(List.of(), HoldsTemporaryDirectory.class, directory.toString()))
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String theirs =
                new BufferedReader(new InputStreamReader(child.getInputStream(), StandardCharsets.UTF_8)).readLine();
        Path mine = AtomicFiles.temporaryDirectory(directory, "states-");
        Path notOurs = Files.createDirectory(directory.resolve("states-of-somebody"));
        AtomicFiles.deleteAbandoned(directory);
        assertTrue(Files.isDirectory(Path.of(theirs)), "it is in use");
        child.destroyForcibly().waitFor();
        Path next = AtomicFiles.temporaryDirectory(directory, "states-");
        assertFalse(Files.exists(Path.of(theirs)));
        assertTrue(Files.isDirectory(mine) && Files.isDirectory(notOurs));
        AtomicFiles.deleteTemporary(mine);
        AtomicFiles.deleteTemporary(next);
        assertEquals(List.of("states-of-somebody"), names());
    }

    /** Makes a temporary directory, says which, and waits to be killed. */
    static final class HoldsTemporaryDirectory {
        public static void main(String[] args) throws InterruptedException {
            System.out.println(AtomicFiles.temporaryDirectory(Path.of(args[0]), "states-"));
            TimeUnit.MINUTES.sleep(2);
        }
    }

    private static String refused(Path target) {
        return String.valueOf(assertThrows(UserErrorException.class, () -> AtomicFiles.writeString(target, "x"))
                .getMessage());
    }
}
