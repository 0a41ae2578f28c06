package org.finetune4j.data;

import java.io.IOException;
import java.lang.ref.Cleaner;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * A file as the user named it, and where its content lies: the same file, or a temporary one that holds what was
 * compressed or selected. A temporary file lives as long as this object.
 */
final class DataFile {

    /** Disk space that is left to others. */
    private static final long SPARED_BYTES = 256L << 20;

    private static final Cleaner CLEANER = Cleaner.create();

    private final Path shown;
    private final StoredFile content;

    private DataFile(Path shown, StoredFile content) {
        this.shown = shown;
        this.content = content;
    }

    /** A file that is read where it is. */
    static DataFile of(Path path) {
        return new DataFile(path, StoredFile.of(path));
    }

    /** A file whose content is in {@code temporary}, which is deleted when nothing needs it any more. */
    static DataFile spooled(Path shown, Path temporary) {
        DataFile file = new DataFile(shown, StoredFile.of(temporary));
        CLEANER.register(file, () -> delete(temporary));
        return file;
    }

    /** A new temporary file. */
    static Path temporary() {
        try {
            Path file = Files.createTempFile("finetune4j-data", ".tmp");
            file.toFile().deleteOnExit();
            return file;
        } catch (IOException e) {
            throw new UserErrorException("cannot write a temporary file: " + Reasons.of(e), e);
        }
    }

    static void delete(Path temporary) {
        try {
            Files.deleteIfExists(temporary);
        } catch (IOException e) {
            // It goes when the process ends.
        }
    }

    /**
     * Refuses to write on where the disk is nearly full: a small file may unpack to a huge one, a query give any number of rows.
     *
     * @param temporary the file that is written
     * @param shown what messages call its content
     * @throws UserErrorException when others need the room that is left
     */
    static void requireRoom(Path temporary, Path shown) throws IOException {
        if (Files.getFileStore(temporary).getUsableSpace() < SPARED_BYTES) {
            throw new UserErrorException(shown + ": no room to unpack it in " + temporary.getParent()
                    + "; set -Djava.io.tmpdir to a larger disk");
        }
    }

    /** The name that messages use. */
    Path shown() {
        return shown;
    }

    /** Where the bytes are. */
    Path path() {
        return content.path();
    }

    byte[] read(long offset, int length) {
        return content.read(offset, length);
    }

    String location(long line) {
        return shown + ":" + line;
    }

    /** The name without directories and endings: {@code "task352"} of {@code "tasks/task352.json.gz"}. */
    String baseName() {
        Path last = shown.getFileName();
        String name = last == null ? "" : last.toString();
        int dot = name.indexOf('.', 1);
        return dot < 0 ? name : name.substring(0, dot);
    }
}
