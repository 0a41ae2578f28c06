package org.finetune4j.data;

import java.util.Arrays;

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

    /** {@return the numbers that {@link #read} makes the same of} */
    public int[][] numbers() {
        int[] learned = new int[trained.length];
        for (int i = 0; i < learned.length; i++) {
            learned[i] = trained[i] ? 1 : 0;
        }
        return new int[][] {ids, learned, {leadingLength}};
    }

    /**
     * The example that has these numbers.
     *
     * @param numbers that {@link #numbers} gave
     * @return an equal one
     */
    public static TokenizedExample read(int[][] numbers) {
        boolean[] trained = new boolean[numbers[1].length];
        for (int i = 0; i < trained.length; i++) {
            trained[i] = numbers[1][i] == 1;
        }
        return new TokenizedExample(numbers[0], trained, numbers[2][0]);
    }

    /**
     * As many tokens as there is room for.
     *
     * @param maxLength tokens to keep at most
     * @param truncation {@link TruncationPolicy#LEFT} keeps those that open every sequence and the end, any other one the
     *     beginning
     * @return this example where it fits, else a shorter one
     */
    public TokenizedExample cutTo(int maxLength, TruncationPolicy truncation) {
        int length = ids.length;
        if (length <= maxLength) {
            return this;
        }
        int kept = truncation == TruncationPolicy.LEFT ? Math.min(leadingLength, maxLength - 1) : maxLength;
        int tail = maxLength - kept;
        int[] cutIds = Arrays.copyOf(ids, maxLength);
        boolean[] cutMarks = Arrays.copyOf(trained, maxLength);
        System.arraycopy(ids, length - tail, cutIds, kept, tail);
        System.arraycopy(trained, length - tail, cutMarks, kept, tail);
        return new TokenizedExample(cutIds, cutMarks, Math.min(leadingLength, maxLength));
    }

    /**
     * This example with the end of its prompt only.
     *
     * @param limit tokens of the prompt to keep at most, those that open every sequence among them; 0 for all
     * @return this example where its prompt is no longer, else one that lacks what comes first
     */
    public TokenizedExample withPromptOf(int limit) {
        int prompt = promptLength();
        if (limit == 0 || prompt <= limit || prompt == ids.length) {
            return this;
        }
        int kept = Math.min(leadingLength, limit);
        int from = prompt - (limit - kept);
        int length = kept + ids.length - from;
        int[] cutIds = Arrays.copyOf(ids, length);
        boolean[] cutMarks = Arrays.copyOf(trained, length);
        System.arraycopy(ids, from, cutIds, kept, ids.length - from);
        System.arraycopy(trained, from, cutMarks, kept, ids.length - from);
        return new TokenizedExample(cutIds, cutMarks, kept);
    }

    /**
     * The number of tokens before the first one that is learned.
     *
     * @return the first token that is learned, or the length where none is
     */
    public int promptLength() {
        int first = 0;
        while (first < trained.length && !trained[first]) {
            first++;
        }
        return first;
    }
}
