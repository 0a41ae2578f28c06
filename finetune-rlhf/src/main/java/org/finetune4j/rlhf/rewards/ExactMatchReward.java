package org.finetune4j.rlhf.rewards;

/**
 * 1 for an answer that is the record's, 0 for any other. White space around both does not matter.
 *
 * @param column of the record's answer
 * @param ignoreCase whether capitals do not matter either
 */
public record ExactMatchReward(String column, boolean ignoreCase) implements RewardFunction {

    @Override
    public double score(RewardRequest request) {
        String expected = ReferenceColumn.of(request, column, "exact_match").strip();
        String given = request.completion().strip();
        return (ignoreCase ? given.equalsIgnoreCase(expected) : given.equals(expected)) ? 1 : 0;
    }
}
