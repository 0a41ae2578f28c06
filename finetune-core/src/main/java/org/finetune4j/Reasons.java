package org.finetune4j;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.util.regex.Pattern;

/** Turns what libraries say into a part of the one line that users are shown. */
public final class Reasons {

    private static final int LONGEST = 240;
    private static final int LONGEST_LINE = 1800;
    private static final int LONGEST_EXCERPT = 120;

    /** Where something began that does not end, as the parser writes it. */
    private static final Pattern SOURCE = Pattern.compile("\\[Source: [^\\]]*; (line: \\d+, column: \\d+)\\]");

    private Reasons() {}

    /**
     * {@return why something failed, in one line; with line and column when a JSON parser knows them}
     *
     * @param cause what was thrown
     */
    public static String of(Throwable cause) {
        if (cause instanceof JsonProcessingException json) {
            JsonLocation at = json.getLocation();
            String reason = oneLine(SOURCE.matcher(json.getOriginalMessage()).replaceAll("$1"));
            return at == null ? reason : reason + " (line " + at.getLineNr() + ", column " + at.getColumnNr() + ")";
        }
        if (cause instanceof NoSuchFileException) {
            return "no such file";
        }
        if (cause instanceof AccessDeniedException) {
            return "permission denied";
        }
        String message = cause.getMessage();
        return message == null || message.isBlank() ? cause.getClass().getSimpleName() : oneLine(message);
    }

    /**
     * The text with all white space as single spaces, cut off where it gets too long to read.
     *
     * @param message what somebody else says, such as a library
     * @return one line of it
     */
    public static String oneLine(String message) {
        String start = message.substring(0, Math.min(message.length(), 10 * LONGEST));
        String line = printable(start.strip().replaceAll("\\s+", " "));
        return line.length() <= LONGEST ? line : line.substring(0, LONGEST) + "...";
    }

    /**
     * What a message quotes of a text from a file: its beginning, without characters that a terminal would obey.
     *
     * @param text a text of any length
     * @return one short line
     */
    public static String excerpt(String text) {
        return text.length() <= LONGEST_EXCERPT
                ? printable(text)
                : printable(text.substring(0, LONGEST_EXCERPT)) + "...";
    }

    /**
     * A message as one line of bounded length. Messages quote files that others wrote: those may hold megabytes, line ends
     * and the codes that a terminal obeys. What is too long loses its middle, since the end says what was expected.
     *
     * @param message a message of any length
     * @return one line of less than 2,000 characters
     */
    public static String line(String message) {
        if (message.length() <= LONGEST_LINE / 8) {
            return printable(message);
        }
        // Cut first, since escaping multiplies the length, and once more after it.
        return withoutMiddle(printable(withoutMiddle(message)));
    }

    private static String withoutMiddle(String text) {
        return text.length() <= LONGEST_LINE
                ? text
                : text.substring(0, LONGEST_LINE / 2) + " ... " + text.substring(text.length() - LONGEST_LINE / 2);
    }

    private static String printable(String text) {
        if (text.chars().noneMatch(Reasons::isObeyed)) {
            return text;
        }
        StringBuilder printable = new StringBuilder();
        text.chars().forEach(c -> {
            switch (c) {
                case '\n' -> printable.append("\\n");
                case '\r' -> printable.append("\\r");
                case '\t' -> printable.append("\\t");
                default -> printable.append(isObeyed(c) ? String.format("\\u%04x", c) : String.valueOf((char) c));
            }
        });
        return printable.toString();
    }

    /** Whether a terminal does something else with it than to show it: control characters, line ends, bidirectional marks. */
    private static boolean isObeyed(int c) {
        return Character.isISOControl(c)
                || c == 0x2028
                || c == 0x2029
                || (c >= 0x202a && c <= 0x202e)
                || (c >= 0x2066 && c <= 0x2069);
    }
}
