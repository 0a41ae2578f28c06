package org.finetune4j.dist.launch;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How a rank tells whoever started it why it ends: one line on its standard error.
 *
 * @param rank which
 * @param exitCode 2 when the user can change what was wrong
 * @param message one line
 */
public record RankReport(int rank, int exitCode, String message) {

    private static final Pattern LINE = Pattern.compile("\\s*<rank (\\d{1,9}) ends with (\\d{1,3})> (.*)");

    /**
     * Reads a line.
     *
     * @param line of what ranks write
     * @return the report, or empty when it is something else
     */
    public static Optional<RankReport> parse(String line) {
        Matcher matcher = LINE.matcher(line);
        return matcher.matches()
                ? Optional.of(new RankReport(
                        Integer.parseInt(matcher.group(1)), Integer.parseInt(matcher.group(2)), matcher.group(3)))
                : Optional.empty();
    }

    /** {@return the line} */
    public String line() {
        return "<rank " + rank + " ends with " + exitCode + "> " + message;
    }
}
