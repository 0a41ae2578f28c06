package org.finetune4j.rlhf.preference;

import java.util.Arrays;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.train.gradient.TokenLogprobs;

/**
 * Which labelled tokens of a batch belong together: to a prompt, or to one of its answers. A batch says in the column
 * {@link PreferenceColumns#ANSWER_TOKENS} how many each has, in the order of the tokens; in how many rows they lie, and what these share, does not
 * matter.
 */
final class AnswerTokens {

    /** A prompt, a chosen and a rejected answer. */
    private static final int PARTS_OF_PAIR = 3;

    private final int[] counts;
    private final double[] weights;

    /** @param weights of each labelled token */
    private AnswerTokens(int[] counts, double[] weights) {
        this.counts = counts;
        this.weights = weights;
    }

    static AnswerTokens of(Batch batch) {
        double[] values = flat(batch, PreferenceColumns.ANSWER_TOKENS);
        int[] counts = Arrays.stream(values).mapToInt(value -> (int) value).toArray();
        return new AnswerTokens(counts, weights(batch, counts));
    }

    /** All 1, but past the length of a pair's shorter answer. */
    private static double[] weights(Batch batch, int[] counts) {
        double[] weights = new double[Arrays.stream(counts).sum()];
        Arrays.fill(weights, 1);
        if (batch.columns().containsKey(PreferenceColumns.TAIL_WEIGHT)) {
            double[] tails = flat(batch, PreferenceColumns.TAIL_WEIGHT);
            int token = 0;
            for (int part = 0; part < counts.length; part++) {
                int chosen = part - part % PARTS_OF_PAIR + 1;
                int shared = part < chosen ? counts[part] : Math.min(counts[chosen], counts[chosen + 1]);
                int end = token + counts[part];
                Arrays.fill(weights, Math.min(end, token + shared), end, tails[part / PARTS_OF_PAIR]);
                token = end;
            }
        }
        return weights;
    }

    /** A column's numbers, row after row. */
    static double[] flat(Batch batch, String column) {
        float[][] rows = batch.column(column);
        double[] all =
                new double[Arrays.stream(rows).mapToInt(row -> row.length).sum()];
        int next = 0;
        for (float[] row : rows) {
            for (float value : row) {
                all[next++] = value;
            }
        }
        return all;
    }

    /** How many parts there are. */
    int parts() {
        return counts.length;
    }

    int count(int part) {
        return counts[part];
    }

    /** The sum of each part's log-probabilities, each as often as its token counts. */
    double[] sums(TokenLogprobs logprobs) {
        return sums(logprobs, weights);
    }

    /** The same where all tokens count alike. */
    double[] plainSums(TokenLogprobs logprobs) {
        double[] ones = new double[weights.length];
        Arrays.fill(ones, 1);
        return sums(logprobs, ones);
    }

    private double[] sums(TokenLogprobs logprobs, double[] counted) {
        if (Arrays.stream(counts).sum() != logprobs.size()) {
            throw new UserErrorException(
                    "the batch has " + logprobs.size() + " labelled tokens, and '" + PreferenceColumns.ANSWER_TOKENS
                            + "' counts " + Arrays.stream(counts).sum());
        }
        double[] sums = new double[counts.length];
        int token = 0;
        for (int part = 0; part < counts.length; part++) {
            for (int i = 0; i < counts[part]; i++) {
                sums[part] += counted[token] * logprobs.values()[token++];
            }
        }
        return sums;
    }

    /** What holds for each part, for every token of it as much as it counts. */
    double[] spread(double[] byPart) {
        double[] all = spreadEvenly(byPart);
        Arrays.setAll(all, token -> weights[token] * all[token]);
        return all;
    }

    /** The same where all tokens count alike. */
    double[] spreadEvenly(double[] byPart) {
        double[] all = new double[weights.length];
        int token = 0;
        for (int part = 0; part < counts.length; part++) {
            Arrays.fill(all, token, token + counts[part], byPart[part]);
            token += counts[part];
        }
        return all;
    }
}
