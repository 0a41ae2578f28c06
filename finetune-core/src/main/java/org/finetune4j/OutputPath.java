package org.finetune4j;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;

/** Where a result goes: never over what it is made of. */
public final class OutputPath {

    private OutputPath() {}

    /**
     * Refuses an output that is one of the inputs, whatever path or link leads there: the input would be gone.
     *
     * @param output the directory or file to write
     * @param inputs directories or files that are read
     * @throws UserErrorException when it is one of them
     */
    public static void requireOther(Path output, Collection<Path> inputs) {
        for (Path input : inputs) {
            if (isSame(output, input)) {
                throw new UserErrorException("the output " + output + " is what is read"
                        + (output.equals(input) ? "" : ", " + input) + ": name another place");
            }
        }
    }

    /**
     * {@return whether two paths lead to the same place}
     *
     * @param one a path
     * @param other another one
     */
    public static boolean isSame(Path one, Path other) {
        try {
            if (Files.exists(one) && Files.exists(other)) {
                return Files.isSameFile(one, other);
            }
        } catch (IOException e) {
            // What cannot be looked at is compared by its name.
        }
        return one.toAbsolutePath().normalize().equals(other.toAbsolutePath().normalize());
    }
}
