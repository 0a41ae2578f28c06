package org.finetune4j.data;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.finetune4j.InputFiles;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;

/**
 * Reads a UTF-8 file line by line and knows where each line lies in bytes. Memory is bounded: of a line longer than the
 * limit a part is given out, and the rest as further parts. Lines end in LF, CRLF or CR; a byte order mark is skipped.
 */
final class LineReader implements Closeable {

    private static final int BUFFER_SIZE = 1 << 16;
    private static final byte[] UTF8_MARK = {(byte) 0xEF, (byte) 0xBB, (byte) 0xBF};

    private final Path path;
    private final InputStream stream;
    private final int longestPart;

    private final byte[] buffer = new byte[BUFFER_SIZE];
    private int position;
    private int limit;
    private long bufferOffset;

    private byte[] line = new byte[256];
    private int length;
    private long offset;
    private long lineNumber;
    private boolean complete = true;

    /**
     * @param longestPart bytes of a line that are given out at once
     * @throws UserErrorException when there is no such file, it cannot be read, or is not UTF-8 by its first bytes
     */
    LineReader(Path path, int longestPart) {
        this(path, path, longestPart);
    }

    /** @param shown the name of the file in messages */
    LineReader(Path path, Path shown, int longestPart) {
        this.path = shown;
        this.longestPart = longestPart;
        this.stream = open(path);
        skipByteOrderMark();
    }

    /** Opens a file for reading; what is not a readable file is the user's mistake. */
    static InputStream open(Path path) {
        if (!Files.exists(path)) {
            throw new UserErrorException("no such file: " + path);
        }
        return InputFiles.open(path);
    }

    /** Moves to the next line, or the next part of a long one; false at the end of the file. */
    boolean next() {
        if (complete) {
            lineNumber++;
        }
        offset = bufferOffset + position;
        length = 0;
        while (true) {
            if (position == limit && !fill()) {
                complete = true;
                return length > 0;
            }
            byte next = buffer[position];
            if (next == '\n' || next == '\r') {
                endLine(next);
                return true;
            }
            // A part ends before the first byte of a character, never inside of one (unless this is not UTF-8).
            boolean insideCharacter = (next & 0xC0) == 0x80;
            if (length >= longestPart && (!insideCharacter || length >= longestPart + 3)) {
                complete = false;
                return true;
            }
            append(next);
            position++;
        }
    }

    /** Moves to the end of a line that was given out in part. */
    void skipLine() {
        while (!complete && next()) {
            // The parts of the line are not wanted.
        }
    }

    /** Bytes of the line without its end; valid until {@link #next()}, see {@link #length()}. */
    byte[] bytes() {
        return line;
    }

    /** How many of {@link #bytes()} belong to the line. */
    int length() {
        return length;
    }

    /** Where the line starts in the file, in bytes. */
    long offset() {
        return offset;
    }

    /** Where the next line starts in the file. */
    long nextOffset() {
        return bufferOffset + position;
    }

    /** From 1. */
    long lineNumber() {
        return lineNumber;
    }

    /** False when more of this line follows. */
    boolean isComplete() {
        return complete;
    }

    /** Whether the line holds nothing but spaces and tabs. */
    boolean isBlank() {
        for (int i = 0; i < length; i++) {
            if (line[i] != ' ' && line[i] != '\t') {
                return false;
            }
        }
        return true;
    }

    @Override
    public void close() {
        try {
            stream.close();
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + path + ": " + Reasons.of(e), e);
        }
    }

    private void endLine(byte end) {
        position++;
        complete = true;
        if (end == '\r' && (position < limit || fill()) && buffer[position] == '\n') {
            position++;
        }
    }

    private void append(byte next) {
        if (length == line.length) {
            line = Arrays.copyOf(line, 2 * line.length);
        }
        line[length++] = next;
    }

    private boolean fill() {
        bufferOffset += limit;
        position = 0;
        try {
            limit = Math.max(0, stream.readNBytes(buffer, 0, buffer.length));
        } catch (IOException e) {
            throw new UserErrorException("cannot read " + path + ": " + Reasons.of(e), e);
        }
        return limit > 0;
    }

    private void skipByteOrderMark() {
        fill();
        if (limit >= 3 && Arrays.equals(buffer, 0, 3, UTF8_MARK, 0, 3)) {
            position = 3;
        } else if (limit >= 2
                && ((buffer[0] == (byte) 0xFF && buffer[1] == (byte) 0xFE)
                        || (buffer[0] == (byte) 0xFE && buffer[1] == (byte) 0xFF))) {
            close();
            throw new UserErrorException(path + ": the file is in UTF-16; save it in UTF-8");
        }
    }
}
