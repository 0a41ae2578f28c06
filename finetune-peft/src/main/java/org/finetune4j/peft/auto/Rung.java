package org.finetune4j.peft.auto;

import java.util.List;
import java.util.stream.Collectors;

/**
 * One round of the search.
 *
 * @param candidates how many of them train in it
 * @param steps to which each has come at its end, those of earlier rungs included
 */
public record Rung(int candidates, long steps) {

    /** Rungs in one line: {@code 6 to step 10, 2 to step 30, 1 to step 90}. */
    static String describe(List<Rung> rungs) {
        return rungs.stream()
                .map(rung -> rung.candidates() + " to step " + rung.steps())
                .collect(Collectors.joining(", "));
    }
}
