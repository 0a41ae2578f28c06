package org.finetune4j.rlhf.rollout;

import org.finetune4j.rlhf.rewards.RewardRequest;

/**
 * An answer that a policy gave. The array is not copied.
 *
 * @param prompt what it was asked
 * @param tokens the answer's, at least one, the end token included where it came to one
 * @param text without special tokens
 * @param ended whether the answer ends by itself
 */
public record Episode(PolicyPrompt prompt, int[] tokens, String text, boolean ended) {

    /**
     * What a source of rewards is asked.
     *
     * @return the request
     */
    public RewardRequest request() {
        return new RewardRequest(
                prompt.text(), text, prompt.columns(), new RewardRequest.Tokens(prompt.ids(), tokens, ended));
    }
}
