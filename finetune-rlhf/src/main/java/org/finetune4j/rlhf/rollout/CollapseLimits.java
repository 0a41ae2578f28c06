package org.finetune4j.rlhf.rollout;

/**
 * When a policy counts as collapsed. A limit that is 0 is none.
 *
 * @param maxKl nats that an answer may be from the reference while the reward goes up
 * @param minEntropy nats that the policy has to be undecided by at a token
 * @param identicalAnswers whether answers that are all the same, to prompts that are not, are a collapse
 * @param patience for how many rounds in a row a sign has to be seen
 */
public record CollapseLimits(double maxKl, double minEntropy, boolean identicalAnswers, int patience) {

    /** What is watched for unless something else is said. */
    public static final CollapseLimits DEFAULT = new CollapseLimits(100, 1e-4, true, 5);

    /** Nothing is watched for. */
    public static final CollapseLimits NONE = new CollapseLimits(0, 0, false, 1);

    /**
     * Fails where there is no patience.
     *
     * @param maxKl nats from the reference
     * @param minEntropy nats of entropy
     * @param identicalAnswers whether answers that are all the same are a collapse
     * @param patience at least 1
     */
    public CollapseLimits {
        if (patience < 1) {
            throw new IllegalArgumentException("patience must be positive, got " + patience);
        }
    }
}
