package org.finetune4j.peft;

import java.util.Map;
import java.util.Optional;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.regex.RegularExpression;

/** PEFT's settings by a pattern for the end of a module's path, such as {@code rank_pattern}. */
public final class Patterns {

    /** All patterns are tried on every module. */
    private static final int LARGEST = 100_000;

    private Patterns() {}

    /**
     * Values by pattern, as they were read, when all patterns can be matched with bounded work.
     *
     * @param <V> the type of the values
     * @param settings where the patterns come from
     * @param key the name of the setting
     * @param patterns the values by pattern
     * @return the same values
     * @throws UserErrorException when one is not a regular expression, or they are too large together
     */
    public static <V> Map<String, V> checked(Settings settings, String key, Map<String, V> patterns) {
        long size = 0;
        for (String pattern : patterns.keySet()) {
            size += expression(settings.origin() + ": '" + key + "'", pattern).size();
            if (size > LARGEST) {
                throw new UserErrorException(settings.origin() + ": '" + key + "' has " + patterns.size()
                        + " patterns, which are too large together; at most " + LARGEST + " characters are matched");
            }
        }
        return patterns;
    }

    /**
     * The value of the first pattern, a regular expression, that matches the path's end.
     *
     * @param <V> the type of the values
     * @param patterns the values by pattern
     * @param path a module's path
     * @return the first value whose pattern matches
     */
    public static <V> Optional<V> firstMatch(Map<String, V> patterns, String path) {
        return patterns.entrySet().stream()
                .filter(entry -> expression("pattern", entry.getKey()).match(path))
                .map(Map.Entry::getValue)
                .findFirst();
    }

    private static RegularExpression expression(String setting, String pattern) {
        return RegularExpression.compile(setting, "(.*\\.)?(" + pattern + ")$");
    }
}
