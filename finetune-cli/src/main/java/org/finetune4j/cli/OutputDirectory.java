package org.finetune4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/** Finds out before hours of training whether their result can be written. */
final class OutputDirectory {

    private OutputDirectory() {}

    /**
     * Makes the directory and writes a file in it.
     *
     * @throws UserErrorException when that fails
     */
    static void check(Path directory) {
        try {
            Files.createDirectories(directory);
            Files.delete(Files.createTempFile(directory, ".writable", null));
        } catch (IOException e) {
            throw new UserErrorException("cannot write to output_dir " + directory + ": " + Reasons.of(e), e);
        }
    }
}
