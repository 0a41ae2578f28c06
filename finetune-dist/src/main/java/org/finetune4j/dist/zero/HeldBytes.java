package org.finetune4j.dist.zero;

/**
 * What one rank has in memory of what ZeRO shares out, beside what is gathered or sent for a moment.
 *
 * @param parameters of the model and of the method on it
 * @param gradients the most that there were in the last step
 * @param optimizerStates moments, masters
 */
public record HeldBytes(long parameters, long gradients, long optimizerStates) {

    /** {@return all three together} */
    public long total() {
        return parameters + gradients + optimizerStates;
    }
}
