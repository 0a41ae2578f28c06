package org.finetune4j;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/**
 * The way to every file that somebody else wrote. Only ordinary files are opened, since a device or a pipe never ends, and
 * what is read as a whole has a largest size. Every failure is a {@link UserErrorException} that names the file.
 */
public final class InputFiles {

    /** No configuration, template or list of names comes near it. */
    private static final int LARGEST_TEXT = 64 << 20;

    /** A vocabulary with a million entries has less. */
    private static final int LARGEST_VOCABULARY = 1 << 30;

    private InputFiles() {}

    /**
     * The path that a text names.
     *
     * @param setting where the text comes from, for messages
     * @param text what should be a path
     * @return the path
     * @throws UserErrorException when the text cannot be a path, such as one with a NUL
     */
    public static Path path(String setting, String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new UserErrorException(
                    setting + ": '" + Reasons.excerpt(text) + "' is no path: " + Reasons.oneLine(e.getReason()), e);
        }
    }

    /**
     * Refuses what is not an ordinary file; a file that is missing is left to whoever opens it.
     *
     * @param file the path of a file
     * @throws UserErrorException when it is a directory, a device, a pipe or a socket
     */
    public static void requireOrdinary(Path file) {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new UserErrorException("cannot read " + file + ": it is "
                    + (Files.isDirectory(file) ? "a directory, expected a file" : "no ordinary file"));
        }
    }

    /**
     * Opens a file.
     *
     * @param file the path of a file
     * @return its content
     * @throws UserErrorException when it is not there, is not an ordinary file, or cannot be read
     */
    public static InputStream open(Path file) {
        requireOrdinary(file);
        try {
            return Files.newInputStream(file);
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    /**
     * The text of a file.
     *
     * @param file the path of a file
     * @return its content
     * @throws UserErrorException when it cannot be read, is too large, or is not UTF-8
     */
    public static String text(Path file) {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes(file, LARGEST_TEXT)))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new UserErrorException("cannot read " + file + ": it is no text in UTF-8", e);
        }
    }

    /**
     * The content of a file that may hold a vocabulary.
     *
     * @param file the path of a file
     * @return its content
     * @throws UserErrorException when it cannot be read or is too large
     */
    public static byte[] vocabulary(Path file) {
        return bytes(file, LARGEST_VOCABULARY);
    }

    /**
     * The JSON in a file.
     *
     * @param file the path of a file
     * @return what it holds
     * @throws UserErrorException when it cannot be read, is too large or too deep, or is not JSON
     */
    public static JsonNode json(Path file) {
        return Json.parse(bytes(file, LARGEST_TEXT), file);
    }

    /**
     * The JSON object in a file.
     *
     * @param file the path of a file
     * @return what it holds
     * @throws UserErrorException when it cannot be read, is too large or too deep, or is not a JSON object
     */
    public static ObjectNode jsonObject(Path file) {
        return Json.object(json(file), file);
    }

    /**
     * The JSON object in a file that may hold a vocabulary.
     *
     * @param file the path of a file
     * @return what it holds
     * @throws UserErrorException when it cannot be read, is too large or too deep, or is not a JSON object
     */
    public static ObjectNode vocabularyObject(Path file) {
        return Json.object(Json.parse(vocabulary(file), file), file);
    }

    private static byte[] bytes(Path file, int most) {
        try (InputStream in = open(file)) {
            byte[] bytes = in.readNBytes(most + 1);
            if (bytes.length > most) {
                throw new UserErrorException("cannot read " + file + ": it is larger than " + (most >> 20) + " MiB");
            }
            return bytes;
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    private static UserErrorException unreadable(Path file, IOException e) {
        return new UserErrorException("cannot read " + file + ": " + Reasons.of(e), e);
    }
}
