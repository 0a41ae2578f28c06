package org.finetune4j.data;

/**
 * An example as tokens, before truncation.
 *
 * @param ids token ids
 * @param trained which of them are learned
 * @param leadingLength tokens at the start that open every sequence (BOS) and stay under {@link TruncationPolicy#LEFT}
 */
public record TokenizedExample(int[] ids, boolean[] trained, int leadingLength) {

    /**
     * Refuses arrays that do not belong together.
     *
     * @param ids token ids
     * @param trained which of them are learned
     * @param leadingLength tokens at the start that open every sequence (BOS) and stay under {@link TruncationPolicy#LEFT}
     * @throws IllegalArgumentException when they differ in length
     */
    public TokenizedExample {
        if (ids.length != trained.length) {
            throw new IllegalArgumentException(ids.length + " tokens, but " + trained.length + " marks");
        }
    }
}
