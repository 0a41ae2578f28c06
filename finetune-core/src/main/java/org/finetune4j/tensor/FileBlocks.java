package org.finetune4j.tensor;

import com.sun.jna.NativeLibrary;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Makes files that have all their blocks: a sparse one, when it is mapped, ends the process on a disk that is full. */
final class FileBlocks {

    private static final Logger LOG = LoggerFactory.getLogger(FileBlocks.class);
    private static final int READ_WRITE = 2;
    private static final int BLOCK = 1 << 20;

    private FileBlocks() {}

    /** Reserves the blocks of a file that is there. */
    @FunctionalInterface
    interface Reservation {

        /**
         * Makes the file {@code bytes} long, with all its blocks.
         *
         * @throws IOException when the device has too few of them
         */
        void reserve(Path file, long bytes) throws IOException;
    }

    /** Makes a new file of zeros; nothing is left of it where that fails. */
    static void create(Path file, long bytes, Reservation reservation) throws IOException {
        Files.createFile(file);
        try {
            reservation.reserve(file, bytes);
        } catch (IOException | RuntimeException e) {
            Files.deleteIfExists(file);
            throw e;
        }
    }

    /** Asks the system, or writes every block where the system cannot be asked. */
    static void reserve(Path file, long bytes) throws IOException {
        if (!NativePlatform.isLinux() || !allocate(file, bytes)) {
            fill(file, bytes);
        }
    }

    /** Whether the C library could do it. */
    private static boolean allocate(Path file, long bytes) throws IOException {
        int error;
        try {
            NativeLibrary c = NativeLibrary.getInstance("c");
            int descriptor = c.getFunction("open").invokeInt(new Object[] {file.toString(), READ_WRITE});
            if (descriptor < 0) {
                return false;
            }
            try {
                error = c.getFunction("posix_fallocate").invokeInt(new Object[] {descriptor, 0L, bytes});
            } finally {
                c.getFunction("close").invokeInt(new Object[] {descriptor});
            }
        } catch (UnsatisfiedLinkError e) {
            LOG.debug("no posix_fallocate in this C library", e);
            return false;
        }
        return switch (error) {
            case 0 -> true;
            case Errno.NO_SPACE -> throw new FileSystemException(file.toString(), null, "No space left on device");
            case Errno.QUOTA -> throw new FileSystemException(file.toString(), null, "Disk quota exceeded");
            case Errno.TOO_BIG -> throw new FileSystemException(file.toString(), null, "File too large");
            default -> false;
        };
    }

    /** Linux's numbers. */
    private static final class Errno {
        static final int TOO_BIG = 27;
        static final int NO_SPACE = 28;
        static final int QUOTA = 122;
    }

    private static void fill(Path file, long bytes) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            ByteBuffer zeros = ByteBuffer.allocateDirect(BLOCK);
            for (long left = bytes; left > 0; ) {
                zeros.clear().limit((int) Math.min(left, BLOCK));
                left -= channel.write(zeros);
            }
            channel.force(false); // a device that gives blocks late says here that it has none
        }
    }
}
