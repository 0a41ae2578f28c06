package org.finetune4j.model.safetensors;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * A file as it was when it was mapped. Whoever reads a mapping beyond the present end of its file is ended by the system, the
 * virtual machine with it: so the length is looked at before. Another file that was renamed into its place does no harm.
 *
 * @param path where it is
 * @param key what the system knows the file by, whatever its name; null on systems that have no such thing, which do not let
 *     a mapped file be cut short either
 * @param length in bytes
 */
public record MappedFile(Path path, @Nullable Object key, long length) {

    /**
     * The file as it is now.
     *
     * @param path where it is
     * @return its length and what the system knows it by
     * @throws UserErrorException when it cannot be read
     */
    public static MappedFile of(Path path) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
            return new MappedFile(path, attributes.fileKey(), attributes.size());
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + path + ": " + Reasons.of(e), e);
        }
    }

    /**
     * Checks that the file has the length it had.
     *
     * @throws UserErrorException when it was cut short, or grew
     */
    public void requireUnchanged() {
        BasicFileAttributes now;
        try {
            now = Files.readAttributes(path, BasicFileAttributes.class);
        } catch (IOException e) {
            return; // deleted or out of reach: what is mapped stays
        }
        if (key != null && key.equals(now.fileKey()) && now.size() != length) {
            throw new UserErrorException(path + ": the file has " + now.size() + " bytes now and had " + length
                    + " when it was loaded: weights are read from it while they are in use; load it again, and write"
                    + " other weights beside it and rename them");
        }
    }
}
