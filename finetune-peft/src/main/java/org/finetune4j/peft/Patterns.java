package org.finetune4j.peft;

import java.util.Map;
import java.util.Optional;

/** PEFT's settings by a pattern for the end of a module's path, such as {@code rank_pattern}. */
public final class Patterns {

    private Patterns() {}

    /** The value of the first pattern, a regular expression, that matches the path's end. */
    public static <V> Optional<V> firstMatch(Map<String, V> patterns, String path) {
        return patterns.entrySet().stream()
                .filter(entry -> TargetModules.compile("(.*\\.)?(" + entry.getKey() + ")$")
                        .matcher(path)
                        .matches())
                .map(Map.Entry::getValue)
                .findFirst();
    }
}
