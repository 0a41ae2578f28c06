package org.finetune4j.rlhf.rewards;

/**
 * DAPO's soft punishment of long answers (Yu et al. 2025, arXiv:2503.14476, 3.4): 0 up to {@code maximum - margin} tokens, from there
 * down to -1 at {@code maximum}.
 *
 * @param maximum the most tokens
 * @param margin tokens before it that cost already
 */
public record OverlongPunishment(int maximum, int margin) implements RewardFunction {

    /**
     * Fails where the bounds are none.
     *
     * @param maximum at least 1
     * @param margin from 1 to {@code maximum}
     */
    public OverlongPunishment {
        if (margin < 1 || margin > maximum) {
            throw new IllegalArgumentException("no margin of " + margin + " before " + maximum + " tokens");
        }
    }

    @Override
    public double score(RewardRequest request) {
        int free = maximum - margin;
        double over = (double) (request.tokens().completion().length - free) / margin;
        return -Math.max(0, Math.min(1, over));
    }
}
