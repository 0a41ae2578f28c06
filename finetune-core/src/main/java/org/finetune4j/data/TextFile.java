package org.finetune4j.data;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/**
 * The documents of a UTF-8 text file, packed or not, which stays on disk. Long documents are cut at ends of lines into pieces of about
 * {@value #PIECE_BYTES} bytes (longer lines anywhere between two characters), so that neither reading nor tokenising
 * needs memory for more.
 */
final class TextFile implements TextSource {

    /** A piece is closed before the first line beyond this that does not begin with white space. */
    static final int PIECE_BYTES = 1 << 16;

    private record Piece(long offset, int bytes, long line, boolean opens, boolean closes) {}

    private final DataFile file;
    private final List<Piece> pieces;

    private TextFile(DataFile file, List<Piece> pieces) {
        this.file = file;
        this.pieces = pieces;
    }

    /**
     * Finds the documents.
     *
     * @param separator the line between two documents, or null when the file is one document
     * @throws UserErrorException when there is no such file, it is not readable, or it holds no text
     */
    static TextFile open(Path path, @Nullable String separator) {
        DataFile file = Decompression.open(path);
        Scanner scanner = new Scanner(separator == null ? null : separator.getBytes(StandardCharsets.UTF_8));
        try (LineReader reader = new LineReader(file.path(), path, PIECE_BYTES)) {
            while (reader.next()) {
                scanner.accept(reader);
            }
        }
        scanner.endDocument();
        if (scanner.pieces.isEmpty()) {
            throw new UserErrorException(path + ": the dataset is empty, expected text");
        }
        return new TextFile(file, scanner.pieces);
    }

    @Override
    public int pieces() {
        return pieces.size();
    }

    @Override
    public boolean opensDocument(int piece) {
        return pieces.get(piece).opens();
    }

    @Override
    public boolean closesDocument(int piece) {
        return pieces.get(piece).closes();
    }

    @Override
    public String location(int piece) {
        return file.location(pieces.get(piece).line());
    }

    /** The piece's text, with every end of a line as one {@code \n}. */
    @Override
    public String text(int index) {
        Piece piece = pieces.get(index);
        byte[] bytes = file.read(piece.offset(), piece.bytes());
        return decode(ByteBuffer.wrap(bytes), piece).replace("\r\n", "\n").replace('\r', '\n');
    }

    private String decode(ByteBuffer bytes, Piece piece) {
        CharBuffer text = CharBuffer.allocate(bytes.remaining());
        CoderResult result = StandardCharsets.UTF_8
                .newDecoder()
                .onMalformedInput(CodingErrorAction.REPORT)
                .decode(bytes, text, true);
        String decoded = text.flip().toString();
        int nul = decoded.indexOf('\0');
        if (nul >= 0) {
            throw new UserErrorException(file.shown() + ":" + line(piece, decoded.substring(0, nul))
                    + ": a NUL byte, so this is not a text file");
        }
        if (result.isError()) {
            throw new UserErrorException(file.shown() + ":" + line(piece, decoded) + ": not valid UTF-8");
        }
        return decoded;
    }

    private static long line(Piece piece, String before) {
        return piece.line() + before.chars().filter(c -> c == '\n').count();
    }

    /** Groups lines into pieces and documents. */
    private static final class Scanner {

        private final List<Piece> pieces = new ArrayList<>();
        private final byte @Nullable [] separator;

        private long start = -1;
        private long startLine;
        private long end;
        private boolean insideDocument;
        private boolean insideLine;

        private Scanner(byte @Nullable [] separator) {
            this.separator = separator;
        }

        private void accept(LineReader reader) {
            boolean wholeLine = !insideLine && reader.isComplete();
            insideLine = !reader.isComplete();
            if (wholeLine && isSeparator(reader)) {
                endDocument();
                return;
            }
            if (start < 0 && !insideDocument && wholeLine && reader.isBlank()) {
                return; // blank lines before a document are not part of it
            }
            if (start >= 0 && reader.offset() - start >= (canOpenPiece(reader) ? 1L : 8L) * PIECE_BYTES) {
                end = reader.offset();
                endPiece(false);
            }
            if (start < 0) {
                start = reader.offset();
                startLine = reader.lineNumber();
            }
            // Where documents are separated by lines, the line break before the separator belongs to it.
            end = separator == null ? reader.nextOffset() : reader.offset() + reader.length();
        }

        /** Some tokenizers join white space across lines: a piece begins with something else where that can be. */
        private static boolean canOpenPiece(LineReader reader) {
            return reader.length() > 0 && (reader.bytes()[0] & 0xFF) > ' ';
        }

        private void endDocument() {
            if (start >= 0) {
                endPiece(true);
            } else if (insideDocument) {
                Piece last = pieces.remove(pieces.size() - 1);
                pieces.add(new Piece(last.offset(), last.bytes(), last.line(), last.opens(), true));
            }
            insideDocument = false;
        }

        private void endPiece(boolean closes) {
            pieces.add(new Piece(start, Math.toIntExact(end - start), startLine, !insideDocument, closes));
            insideDocument = true;
            start = -1;
        }

        private boolean isSeparator(LineReader reader) {
            return separator != null
                    && (separator.length == 0
                            ? reader.isBlank()
                            : Arrays.equals(reader.bytes(), 0, reader.length(), separator, 0, separator.length));
        }
    }
}
