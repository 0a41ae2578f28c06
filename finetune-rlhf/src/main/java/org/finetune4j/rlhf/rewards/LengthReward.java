package org.finetune4j.rlhf.rewards;

/**
 * 1 for an answer whose length is within bounds; outside it falls with the distance, to 0 at twice the upper bound or at no
 * length at all.
 *
 * @param unit what is counted
 * @param minimum the shortest good length
 * @param maximum the longest one
 */
public record LengthReward(Unit unit, int minimum, int maximum) implements RewardFunction {

    /** What a length counts. */
    public enum Unit {
        /** Unicode characters. */
        CHARACTERS,
        /** What white space separates. */
        WORDS,
        /** The model's tokens, the end token included. */
        TOKENS
    }

    /**
     * Fails where the bounds are none.
     *
     * @param unit what is counted
     * @param minimum at least 0
     * @param maximum at least {@code minimum} and 1
     */
    public LengthReward {
        if (minimum < 0 || maximum < Math.max(1, minimum)) {
            throw new IllegalArgumentException("no lengths from " + minimum + " to " + maximum);
        }
    }

    @Override
    public double score(RewardRequest request) {
        int length = length(request);
        if (length < minimum) {
            return (double) length / minimum;
        }
        return length <= maximum ? 1 : Math.max(0, 1 - (double) (length - maximum) / maximum);
    }

    private int length(RewardRequest request) {
        String text = request.completion();
        return switch (unit) {
            case CHARACTERS -> text.codePointCount(0, text.length());
            case WORDS -> text.isBlank() ? 0 : text.strip().split("\\s+").length;
            case TOKENS -> request.tokens().completion().length;
        };
    }
}
