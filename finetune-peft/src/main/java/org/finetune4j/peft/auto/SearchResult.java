package org.finetune4j.peft.auto;

import java.util.List;

/**
 * What a search found.
 *
 * @param winner how the last one stands
 * @param standings of all candidates, in their order
 * @param rungs as they were planned
 */
public record SearchResult(Standing winner, List<Standing> standings, List<Rung> rungs) {

    /**
     * Copies the lists.
     *
     * @param winner how the last one stands
     * @param standings of all candidates, in their order
     * @param rungs as they were planned
     */
    public SearchResult {
        standings = List.copyOf(standings);
        rungs = List.copyOf(rungs);
    }
}
