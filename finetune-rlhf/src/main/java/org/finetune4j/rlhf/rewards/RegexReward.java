package org.finetune4j.rlhf.rewards;

import org.finetune4j.UserErrorException;
import org.finetune4j.regex.RegularExpression;

/**
 * 1 for an answer in which a regular expression of Python's is found, 0 for any other. An answer on which an expression takes
 * too many steps counts as one without.
 */
public final class RegexReward implements RewardFunction {

    private final RegularExpression pattern;
    private final boolean whole;

    /**
     * Reads the expression.
     *
     * @param pattern in Python's syntax
     * @param whole whether the whole answer has to match
     * @throws UserErrorException when it is none
     */
    public RegexReward(String pattern, boolean whole) {
        this.pattern = RegularExpression.compile("pattern", pattern);
        this.whole = whole;
    }

    @Override
    public double score(RewardRequest request) {
        try {
            boolean matches = whole ? pattern.fullMatch(request.completion()) : pattern.search(request.completion());
            return matches ? 1 : 0;
        } catch (UserErrorException e) {
            return 0;
        }
    }
}
