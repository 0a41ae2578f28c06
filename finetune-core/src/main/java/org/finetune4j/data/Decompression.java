package org.finetune4j.data;

import io.airlift.compress.zstd.ZstdInputStream;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * Unpacks gzip and zstd files, known by their first bytes. What is unpacked goes to a temporary file, because records
 * are read in any order; memory stays flat.
 */
final class Decompression {

    private static final byte[] GZIP = {0x1F, (byte) 0x8B};
    private static final byte[] ZSTD = {0x28, (byte) 0xB5, 0x2F, (byte) 0xFD};

    private Decompression() {}

    /**
     * The file, unpacked if it is packed.
     *
     * @throws UserErrorException when there is no such file, it is damaged, or the temporary directory is full
     */
    static DataFile open(Path path) {
        byte[] magic = firstBytes(path);
        if (startsWith(magic, GZIP)) {
            return spool(path, "gzip", stream -> new GZIPInputStream(stream, 1 << 16));
        }
        if (startsWith(magic, ZSTD)) {
            return spool(path, "zstd", ZstdInputStream::new);
        }
        return DataFile.of(path);
    }

    private static byte[] firstBytes(Path path) {
        try (InputStream stream = LineReader.open(path)) {
            return stream.readNBytes(ZSTD.length);
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + path + ": " + Reasons.of(e), e);
        }
    }

    private static boolean startsWith(byte[] bytes, byte[] prefix) {
        return bytes.length >= prefix.length && Arrays.equals(bytes, 0, prefix.length, prefix, 0, prefix.length);
    }

    /** Opens the unpacking stream. */
    @FunctionalInterface
    private interface Unpacking {
        InputStream of(InputStream packed) throws IOException;
    }

    private static DataFile spool(Path path, String kind, Unpacking unpacking) {
        Path target = DataFile.temporary();
        try (InputStream packed = new BufferedInputStream(LineReader.open(path));
                InputStream unpacked = unpacking.of(packed);
                OutputStream out = Files.newOutputStream(target)) {
            copy(unpacked, out, path, target);
        } catch (IOException | RuntimeException e) {
            DataFile.delete(target);
            if (e instanceof UserErrorException already) {
                throw already;
            }
            throw new UserErrorException(path + ": not a whole " + kind + " file: " + Reasons.of(e), e);
        }
        return DataFile.spooled(path, target);
    }

    private static void copy(InputStream in, OutputStream out, Path path, Path target) throws IOException {
        byte[] buffer = new byte[1 << 20];
        while (true) {
            int read = in.readNBytes(buffer, 0, buffer.length);
            if (read == 0) {
                return;
            }
            DataFile.requireRoom(target, path);
            out.write(buffer, 0, read);
        }
    }
}
