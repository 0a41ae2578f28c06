package org.finetune4j.regex;

import java.io.File;
import java.nio.file.Path;
import org.finetune4j.UserErrorException;

/**
 * A pattern for paths of files, as shells and {@link java.nio.file.FileSystem#getPathMatcher} know it. Java's own is matched
 * by backtracking, for which a pattern with many stars is endless work.
 */
public final class Glob {

    private final RegularExpression expression;

    private Glob(RegularExpression expression) {
        this.expression = expression;
    }

    /**
     * Reads a pattern.
     *
     * @param pattern a path with {@code *}, {@code ?}, {@code [...]} or {@code {...}}, and {@code **} for any number of
     *     directories
     * @return the pattern, ready to match
     * @throws UserErrorException when a bracket or brace is not closed
     */
    public static Glob of(String pattern) {
        StringBuilder regex = new StringBuilder();
        boolean inBraces = false;
        for (int i = 0; i < pattern.length(); i++) {
            char c = pattern.charAt(i);
            switch (c) {
                case '*' -> {
                    boolean deep = pattern.startsWith("**", i);
                    regex.append(deep ? ".*" : "[^/]*");
                    i += deep ? 1 : 0;
                }
                case '?' -> regex.append("[^/]");
                case '[' -> {
                    int end = pattern.indexOf(']', i + 2);
                    if (end < 0) {
                        throw new UserErrorException("'[' is not closed in the pattern " + pattern);
                    }
                    boolean not = pattern.charAt(i + 1) == '!' || pattern.charAt(i + 1) == '^';
                    String members =
                            pattern.substring(i + (not ? 2 : 1), end).replaceAll("([\\[\\]\\\\^&|~])", "\\\\$1");
                    regex.append(not ? "[^/" : "[").append(members).append(']');
                    i = end;
                }
                case '{' -> {
                    if (inBraces) {
                        throw new UserErrorException("braces inside of braces in the pattern " + pattern);
                    }
                    inBraces = true;
                    regex.append("(?:");
                }
                case '}' -> {
                    regex.append(inBraces ? ")" : "\\}");
                    inBraces = false;
                }
                case ',' -> regex.append(inBraces ? "|" : ",");
                case '\\' -> {
                    if (++i == pattern.length()) {
                        throw new UserErrorException("nothing follows the last '\\' of the pattern " + pattern);
                    }
                    literal(regex, pattern.charAt(i));
                }
                default -> literal(regex, c);
            }
        }
        if (inBraces) {
            throw new UserErrorException("'{' is not closed in the pattern " + pattern);
        }
        return new Glob(RegularExpression.compile("pattern", "(?s)" + regex));
    }

    private static void literal(StringBuilder regex, char c) {
        if (c < 128 && !Character.isLetterOrDigit(c)) {
            regex.append('\\');
        }
        regex.append(c);
    }

    /**
     * Whether a path matches.
     *
     * @param path the path of a file, as it was found
     * @return whether the whole path is one that the pattern stands for
     */
    public boolean matches(Path path) {
        return expression.fullMatch(path.toString().replace(File.separatorChar, '/'));
    }
}
