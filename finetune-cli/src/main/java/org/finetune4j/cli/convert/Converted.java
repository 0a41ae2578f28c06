package org.finetune4j.cli.convert;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A configuration in our words.
 *
 * @param values our keys with their values, in the order in which they were said
 * @param notes what a reader should know, a line each
 */
public record Converted(Map<String, Object> values, List<String> notes) {

    /**
     * Copies both.
     *
     * @param values our keys with their values, in the order in which they were said
     * @param notes what a reader should know, a line each
     */
    public Converted {
        values = Collections.unmodifiableMap(new LinkedHashMap<>(values));
        notes = List.copyOf(notes);
    }
}
