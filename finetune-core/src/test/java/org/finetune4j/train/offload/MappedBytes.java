package org.finetune4j.train.offload;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * What this process has mapped of files that lie, or lay, below a directory, as Linux tells it.
 *
 * @param bytes of all mappings
 * @param resident how much of them is in this process's memory
 */
public record MappedBytes(long bytes, long resident) {

    /**
     * {@return what is mapped now}
     *
     * @param directory with the files
     */
    public static MappedBytes below(Path directory) {
        long bytes = 0;
        long resident = 0;
        boolean counts = false;
        for (String line : lines()) {
            if (line.matches("[0-9a-f]+-[0-9a-f]+ .*")) {
                counts = line.contains(directory.toString());
            } else if (counts && line.startsWith("Size:")) {
                bytes += bytes(line);
            } else if (counts && line.startsWith("Rss:")) {
                resident += bytes(line);
            }
        }
        return new MappedBytes(bytes, resident);
    }

    private static List<String> lines() {
        try {
            return Files.readAllLines(Path.of("/proc/self/smaps"), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static long bytes(String line) {
        return Long.parseLong(line.replaceAll("\\D", "")) << 10;
    }
}
