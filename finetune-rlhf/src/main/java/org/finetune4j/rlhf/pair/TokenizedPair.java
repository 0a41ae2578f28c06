package org.finetune4j.rlhf.pair;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TokenizedExample;

/**
 * Two answers to one prompt as tokens, each after its prompt.
 *
 * @param chosen the better answer
 * @param rejected the other one
 */
public record TokenizedPair(TokenizedExample chosen, TokenizedExample rejected) {

    /** {@return the numbers that {@link #read} makes the same of} */
    int[][] numbers() {
        List<int[]> all = new ArrayList<>(List.of(chosen.numbers()));
        all.addAll(List.of(rejected.numbers()));
        return all.toArray(int[][]::new);
    }

    /** The pair that has these numbers. */
    static TokenizedPair read(int[][] numbers) {
        int half = numbers.length / 2;
        return new TokenizedPair(
                TokenizedExample.read(Arrays.copyOf(numbers, half)),
                TokenizedExample.read(Arrays.copyOfRange(numbers, half, numbers.length)));
    }

    /**
     * How many tokens both begin with; each has at least one more.
     *
     * @return at least 0
     */
    public int common() {
        int most = Math.min(chosen.ids().length, rejected.ids().length) - 1;
        int common = 0;
        while (common < most && chosen.ids()[common] == rejected.ids()[common]) {
            common++;
        }
        return common;
    }

    /**
     * How many tokens of their prompts both begin with.
     *
     * @return at least 0
     */
    public int commonPrompt() {
        return Math.min(common(), Math.min(chosen.promptLength(), rejected.promptLength()));
    }

    /**
     * Both in one row: what they share once, then the rest of the chosen one, then the rest of the rejected one as a branch
     * that sees what it shares and itself. Tokens that are learned are labelled.
     *
     * @param shared tokens that are there once, at most {@link #common()}
     * @return a sample without columns
     */
    public Sample row(int shared) {
        int first = chosen.ids().length;
        int length = first + rejected.ids().length - shared;
        int[] ids = new int[length];
        int[] labels = new int[length];
        int[] positions = new int[length];
        for (int i = 0; i < length; i++) {
            TokenizedExample from = i < first ? chosen : rejected;
            int at = i < first ? i : i - first + shared;
            ids[i] = from.ids()[at];
            labels[i] = from.trained()[at] ? ids[i] : Sample.IGNORE_INDEX;
            positions[i] = at;
        }
        return new Sample(ids, labels, positions);
    }
}
