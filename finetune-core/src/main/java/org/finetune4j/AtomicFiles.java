package org.finetune4j;

import java.io.IOException;
import java.io.UncheckedIOException;
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
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/**
 * Replaces files and directories so that a reader, or a kill, sees the old content or the new one, never a part.
 * Everything is written beside its target, flushed to the device and renamed.
 */
public final class AtomicFiles {

    private static final String PARTIAL_SUFFIX = ".partial";

    private static final Path TEMPORARY = Path.of(System.getProperty("java.io.tmpdir"));
    private static final Set<Path> UNFINISHED = ConcurrentHashMap.newKeySet();

    private AtomicFiles() {}

    /** Writes a file's content to the path it is given. */
    @FunctionalInterface
    public interface Writer {
        void writeTo(Path path) throws IOException;
    }

    /**
     * Lets {@code writer} fill a new file beside {@code target}, then renames it over {@code target}. When the writer
     * fails the partial file is deleted and {@code target} is what it was.
     *
     * @throws UserErrorException when the file cannot be written: missing permission, full disk, not a directory
     */
    public static void write(Path target, Writer writer) {
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

    /** Replaces {@code target} with {@code text} in UTF-8; see {@link #write}. */
    public static void writeString(Path target, String text) {
        write(target, path -> Files.writeString(path, text, StandardCharsets.UTF_8));
    }

    /**
     * Lets {@code writer} fill a new directory beside {@code target}, then renames it to {@code target}. An existing
     * {@code target} is moved aside first and deleted last, so a kill leaves at least one complete directory.
     *
     * @throws UserErrorException when the directory cannot be written
     */
    public static void writeDirectory(Path target, Writer writer) {
        Path partial = sibling(target);
        Path old = target.resolveSibling(target.getFileName() + ".old");
        UNFINISHED.add(partial);
        try {
            createParent(target);
            deleteTree(partial);
            Files.createDirectory(partial);
            writer.writeTo(partial);
            UNFINISHED.remove(partial);
            if (Files.exists(target)) {
                deleteTree(old);
                move(target, old);
            }
            move(partial, target);
            deleteTree(old);
        } catch (IOException | UncheckedIOException e) {
            throw new UserErrorException("cannot write " + target + ": " + reason(e), e);
        } finally {
            deleteTree(partial);
            UNFINISHED.remove(partial);
        }
    }

    /**
     * A new directory below the system's for temporary files. Delete it, like all that is temporary, with {@link
     * #deleteTemporary}; a process that is asked to end before does it.
     */
    public static Path temporaryDirectory(String prefix) {
        return temporary(TEMPORARY, () -> Files.createTempDirectory(prefix));
    }

    /** A new temporary directory below {@code parent}, which is made where it is missing. */
    public static Path temporaryDirectory(Path parent, String prefix) {
        return temporary(parent, () -> Files.createTempDirectory(Files.createDirectories(parent), prefix));
    }

    /** A new temporary file. */
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

    /** Deletes a temporary file, or a directory with all it holds. */
    public static void deleteTemporary(Path temporary) {
        deleteTree(temporary);
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

    /** Deletes a file, or a directory with all it holds; a missing path is fine. */
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

    private static Path sibling(Path target) {
        Path name = target.getFileName();
        if (name == null) {
            throw new UserErrorException("cannot write " + target + ": it is a root directory");
        }
        if (name.toString().isEmpty()) {
            throw new UserErrorException("cannot write to a path without a name");
        }
        return target.resolveSibling("." + name + PARTIAL_SUFFIX);
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
