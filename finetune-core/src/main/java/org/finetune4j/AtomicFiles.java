package org.finetune4j;

import com.google.common.base.Throwables;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/**
 * Replaces files and directories so that a reader, or a kill, sees the old content or the new one, never a part.
 * Everything is written beside its target, flushed to the device and renamed.
 */
public final class AtomicFiles {

    private static final String PARTIAL_SUFFIX = ".partial";
    private static final String OLD_SUFFIX = ".old";
    private static final String DELETED_SUFFIX = ".deleted";

    private static final Path TEMPORARY = Path.of(System.getProperty("java.io.tmpdir"));
    private static final Set<Path> UNFINISHED = ConcurrentHashMap.newKeySet();

    private AtomicFiles() {}

    /** Writes a file's content to the path it is given. */
    @FunctionalInterface
    public interface Writer {

        /**
         * Writes the content.
         *
         * @param path the file to make, or the directory to fill
         * @throws IOException when that fails
         */
        void writeTo(Path path) throws IOException;
    }

    /**
     * Lets {@code writer} fill a new file beside {@code target}, then renames it over {@code target}. When the writer
     * fails the partial file is deleted and {@code target} is what it was.
     *
     * <p>A thread that is interrupted writes its file all the same, and is interrupted afterwards: Java closes the file that such a
     * thread writes, so that it is written once more then.
     *
     * @param target the file that is there in the end
     * @param writer writes the file that it is given
     * @throws UserErrorException when the file cannot be written: missing permission, full disk, not a directory
     */
    public static void write(Path target, Writer writer) {
        boolean interrupted = Thread.interrupted();
        try {
            while (!wrote(target, writer)) {
                interrupted = true;
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /** Whether nobody interrupted it. */
    private static boolean wrote(Path target, Writer writer) {
        try {
            writeOnce(target, writer);
            return true;
        } catch (UserErrorException e) {
            if (Throwables.getCausalChain(e).stream().anyMatch(cause -> cause instanceof ClosedByInterruptException)
                    && Thread.interrupted()) {
                return false;
            }
            throw e;
        }
    }

    private static void writeOnce(Path target, Writer writer) {
        Path partial = sibling(target);
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            throw new UserErrorException("cannot write " + target + ": it is "
                    + (Files.isDirectory(target) ? "a directory" : "no ordinary file"));
        }
        UNFINISHED.add(partial);
        try {
            createParent(target);
            writer.writeTo(partial);
            try (FileChannel channel = FileChannel.open(partial, StandardOpenOption.WRITE)) {
                channel.force(true);
            }
            move(partial, target);
        } catch (IOException | UncheckedIOException e) {
            throw new UserErrorException("cannot write " + target + ": " + reason(e), e);
        } finally {
            deleteTree(partial);
            UNFINISHED.remove(partial);
        }
    }

    /**
     * Replaces {@code target} with what another file holds; see {@link #write}. Its permissions are those of a new file: a copy of a file
     * that nobody may write is to be written.
     *
     * @param source the other file, or a link to one
     * @param target the file that is there in the end
     * @throws UserErrorException when one cannot be read, or the other not be written
     */
    public static void copy(Path source, Path target) {
        write(target, path -> {
            try (InputStream content = Files.newInputStream(source)) {
                Files.copy(content, path);
            }
        });
    }

    /**
     * Replaces {@code target} with {@code text} in UTF-8; see {@link #write}.
     *
     * @param target the file that is there in the end
     * @param text its content
     * @throws UserErrorException when the file cannot be written
     */
    public static void writeString(Path target, String text) {
        write(target, path -> Files.writeString(path, text, StandardCharsets.UTF_8));
    }

    /**
     * Lets {@code writer} fill a new directory beside {@code target}, then renames it to {@code target}. An existing
     * {@code target} is moved aside first and deleted last. A kill leaves {@code target} as it was or as it becomes, or, between
     * the two renames, for {@link #recover} to finish.
     *
     * @param target the directory that is there in the end
     * @param writer fills the directory that it is given
     * @throws UserErrorException when the directory cannot be written
     */
    public static void writeDirectory(Path target, Writer writer) {
        boolean interrupted = Thread.interrupted(); // see write
        try {
            writeDirectoryOnce(target, writer);
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static void writeDirectoryOnce(Path target, Writer writer) {
        if (Files.exists(target) && !Files.isDirectory(target)) {
            throw new UserErrorException("cannot write " + target + ": it is no directory");
        }
        recover(target);
        Path partial = sibling(target);
        UNFINISHED.add(partial);
        try {
            createParent(target);
            Files.createDirectory(partial);
            writer.writeTo(partial);
            forceTree(partial);
            UNFINISHED.remove(partial);
            Path old = sibling(target, OLD_SUFFIX);
            if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
                move(target, old);
            }
            moveOrPutBack(partial, target, old);
            deleteTree(old);
        } catch (IOException | UncheckedIOException e) {
            throw new UserErrorException("cannot write " + target + ": " + reason(e), e);
        } finally {
            deleteTree(partial);
            UNFINISHED.remove(partial);
        }
    }

    /** What was there comes back where the new one cannot have its name. */
    private static void moveOrPutBack(Path partial, Path target, Path old) throws IOException {
        try {
            move(partial, target);
        } catch (IOException e) {
            if (Files.exists(old)) {
                try {
                    move(old, target);
                } catch (IOException again) {
                    e.addSuppressed(again);
                }
            }
            throw e;
        }
    }

    /**
     * Deletes a directory so that a kill leaves all of it or nothing under its name: it is renamed first. What a kill leaves
     * under the other name goes with {@link #recover}.
     *
     * @param target a directory, or a path that is missing
     * @throws UserErrorException when it cannot be deleted
     */
    public static void deleteDirectory(Path target) {
        Path deleted = sibling(target, DELETED_SUFFIX);
        try {
            deleteTree(deleted);
            if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
                move(target, deleted);
                deleteTree(deleted);
            }
        } catch (IOException | UncheckedIOException e) {
            throw new UserErrorException("cannot delete " + target + ": " + reason(e), e);
        }
    }

    /**
     * Gives a directory another name in one step.
     *
     * @param directory the directory
     * @param target its new path on the same file system; nothing is there
     * @throws UserErrorException when it cannot be moved
     */
    public static void moveDirectory(Path directory, Path target) {
        try {
            move(directory, target);
        } catch (IOException e) {
            throw new UserErrorException("cannot move " + directory + " to " + target + ": " + reason(e), e);
        }
    }

    /**
     * Deletes the temporary directories below {@code parent} that killed processes left. Those that are in use stay, and so does
     * everything that was not made here.
     *
     * @param parent where they were made
     */
    public static void deleteAbandoned(Path parent) {
        TemporaryDirectory.deleteAbandoned(parent, "");
    }

    /**
     * Finishes what a kill cut short in {@link #writeDirectory} or {@link #deleteDirectory}, and takes away what it left beside
     * {@code target}. Nobody else may write {@code target} at that time.
     *
     * @param target a directory that was written or deleted here
     * @throws UserErrorException when the files cannot be moved or deleted
     */
    public static void recover(Path target) {
        Path partial = sibling(target);
        Path old = sibling(target, OLD_SUFFIX);
        try {
            if (Files.exists(old) && !Files.exists(target)) {
                // The new one was complete before the old one was moved.
                move(Files.exists(partial) ? partial : old, target);
            }
            deleteTree(partial);
            deleteTree(old);
            deleteTree(sibling(target, DELETED_SUFFIX));
        } catch (IOException | UncheckedIOException e) {
            throw new UserErrorException("cannot tidy up beside " + target + ": " + reason(e), e);
        }
    }

    /**
     * The directory that a kill left these files of, to be given to {@link #recover}: {@code checkpoint-4} for
     * {@code .checkpoint-4.partial}.
     *
     * @param path any path
     * @return the directory beside {@code path}, or nothing when {@code path} is no leftover of one
     */
    public static Optional<Path> leftoverOf(Path path) {
        String name = path.getFileName().toString();
        for (String suffix : List.of(PARTIAL_SUFFIX, OLD_SUFFIX, DELETED_SUFFIX)) {
            if (name.startsWith(".") && name.endsWith(suffix) && name.length() > suffix.length() + 1) {
                return Optional.of(path.resolveSibling(name.substring(1, name.length() - suffix.length())));
            }
        }
        return Optional.empty();
    }

    /**
     * A new directory below the system's for temporary files. Delete it, like all that is temporary, with {@link
     * #deleteTemporary}; a process that is asked to end before does it, and what a killed process left goes when a later one
     * makes a directory with the same prefix there.
     *
     * @param prefix how its name begins
     * @return the directory
     * @throws UserErrorException when nothing can be written there
     */
    public static Path temporaryDirectory(String prefix) {
        return temporaryDirectory(TEMPORARY, prefix);
    }

    /**
     * A new temporary directory below another one, which is made where it is missing; see {@link #temporaryDirectory(String)}.
     *
     * @param parent where it goes
     * @param prefix how its name begins
     * @return the directory
     * @throws UserErrorException when nothing can be written there
     */
    public static Path temporaryDirectory(Path parent, String prefix) {
        TemporaryDirectory.deleteAbandoned(parent, prefix);
        return temporary(parent, () -> TemporaryDirectory.create(parent, prefix));
    }

    /**
     * A new temporary file; see {@link #deleteTemporary}.
     *
     * @param prefix how its name begins
     * @param suffix how its name ends
     * @return the file
     * @throws UserErrorException when it cannot be made
     */
    public static Path temporaryFile(String prefix, String suffix) {
        return temporary(TEMPORARY, () -> Files.createTempFile(prefix, suffix));
    }

    private interface Creation {
        Path create() throws IOException;
    }

    private static Path temporary(Path parent, Creation creation) {
        try {
            Path made = creation.create();
            UNFINISHED.add(made);
            return made;
        } catch (IOException e) {
            throw new UserErrorException("cannot write to " + parent + ": " + reason(e), e);
        }
    }

    /**
     * Deletes a temporary file, or a directory with all it holds.
     *
     * @param temporary what one of the methods here made
     */
    public static void deleteTemporary(Path temporary) {
        // Nobody else takes it for an abandoned one before it is gone.
        try {
            deleteTree(temporary);
        } finally {
            TemporaryDirectory.letGo(temporary);
        }
        UNFINISHED.remove(temporary);
    }

    /**
     * Deletes what is being written at this moment. For a process that ends, and whose other threads will not finish their
     * files: afterwards their writers fail.
     */
    public static void deleteUnfinished() {
        for (Path partial : UNFINISHED) {
            try {
                deleteTree(partial);
            } catch (UncheckedIOException e) {
                // Somebody still writes into it, or took it away: the others are tried all the same.
            }
        }
    }

    /**
     * Deletes a file, or a directory with all it holds; a missing path is fine.
     *
     * @param path what goes; of a link, the link alone
     * @throws UncheckedIOException when something there cannot be deleted
     */
    public static void deleteTree(Path path) {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        try (Stream<Path> tree = Files.walk(path)) {
            for (Path entry : tree.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(entry);
            }
        } catch (NoSuchFileException e) {
            // Somebody else deleted it first, which is what was wanted.
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete " + path, e);
        }
    }

    /** A power cut, too, leaves a directory whole: its files are on the device before it gets its name. */
    private static void forceTree(Path directory) throws IOException {
        try (Stream<Path> tree = Files.walk(directory)) {
            for (Path file : tree.filter(Files::isRegularFile).toList()) {
                try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                    channel.force(true);
                }
            }
        }
    }

    private static Path sibling(Path target) {
        return sibling(target, PARTIAL_SUFFIX);
    }

    private static Path sibling(Path target, String suffix) {
        Path name = target.getFileName();
        if (name == null) {
            throw new UserErrorException("cannot write " + target + ": it is a root directory");
        }
        if (name.toString().isEmpty()) {
            throw new UserErrorException("cannot write to a path without a name");
        }
        return target.resolveSibling("." + name + suffix);
    }

    private static void createParent(Path target) throws IOException {
        Path parent = target.toAbsolutePath().getParent();
        if (parent != null && !Files.isDirectory(parent)) {
            Files.createDirectories(parent);
        }
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static String reason(Exception e) {
        Throwable cause = e instanceof UncheckedIOException && e.getCause() != null ? e.getCause() : e;
        String kind = cause.getClass().getSimpleName().replace("Exception", "");
        return kind.equals("IO") ? String.valueOf(cause.getMessage()) : kind + ": " + cause.getMessage();
    }
}
