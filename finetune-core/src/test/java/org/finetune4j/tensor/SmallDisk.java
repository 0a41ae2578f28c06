package org.finetune4j.tensor;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/** A disk of a few megabytes, where the test may mount one: root on Linux. */
public final class SmallDisk implements AutoCloseable {

    private final Path root;

    private SmallDisk(Path root) {
        this.root = root;
    }

    /** Mounts a disk of so many bytes on an empty directory, or is empty where that is not allowed. */
    public static Optional<SmallDisk> mount(Path root, long bytes) {
        return run("mount", "-t", "tmpfs", "-o", "size=" + bytes, "tmpfs", root.toString())
                ? Optional.of(new SmallDisk(root))
                : Optional.empty();
    }

    public Path root() {
        return root;
    }

    /** How many bytes are free. */
    public long free() {
        try {
            return Files.getFileStore(root).getUsableSpace();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes a file until nothing is free. */
    public void fill() {
        try (OutputStream filler = Files.newOutputStream(root.resolve("filler"))) {
            byte[] page = new byte[4096];
            while (true) {
                filler.write(page);
            }
        } catch (IOException e) {
            if (free() > 0) {
                throw new UncheckedIOException(e);
            }
        }
    }

    @Override
    public void close() {
        run("umount", "-l", root.toString());
    }

    private static boolean run(String... command) {
        try {
            Process process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return process.waitFor(20, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }
}
