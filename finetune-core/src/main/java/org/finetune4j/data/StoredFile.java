package org.finetune4j.data;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * A file of which parts are read again and again, long after it was looked through. It is not held open; that it is
 * still the same is checked by size and time of change.
 */
record StoredFile(Path path, long size, FileTime lastModified) {

    /** Notes the file's present state; call it before looking through the file. */
    static StoredFile of(Path path) {
        try {
            LineReader.open(path).close(); // says what is wrong with a path that is no readable file
            return new StoredFile(path, Files.size(path), Files.getLastModifiedTime(path));
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + path + ": " + Reasons.of(e), e);
        }
    }

    /**
     * Reads a part.
     *
     * @throws UserErrorException when the file cannot be read or was changed
     */
    byte[] read(long offset, int length) {
        ByteBuffer bytes = ByteBuffer.allocate(length);
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            boolean same =
                    channel.size() == size && Files.getLastModifiedTime(path).equals(lastModified);
            while (same && bytes.hasRemaining()) {
                same = channel.read(bytes, offset + bytes.position()) >= 0;
            }
            if (!same) {
                throw new UserErrorException(path + ": the file was changed while it was in use");
            }
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + path + ": " + Reasons.of(e), e);
        }
        return bytes.array();
    }
}
