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

    private final int[] counts;

    private AnswerTokens(int[] counts) {
        this.counts = counts;
    }

    static AnswerTokens of(Batch batch) {
        double[] values = flat(batch, PreferenceColumns.ANSWER_TOKENS);
        return new AnswerTokens(
                Arrays.stream(values).mapToInt(value -> (int) value).toArray());
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

    /** The sum of each part's log-probabilities. */
    double[] sums(TokenLogprobs logprobs) {
        if (Arrays.stream(counts).sum() != logprobs.size()) {
            throw new UserErrorException(
                    "the batch has " + logprobs.size() + " labelled tokens, and '" + PreferenceColumns.ANSWER_TOKENS
                            + "' counts " + Arrays.stream(counts).sum());
        }
        double[] sums = new double[counts.length];
        int token = 0;
        for (int part = 0; part < counts.length; part++) {
            for (int i = 0; i < counts[part]; i++) {
                sums[part] += logprobs.values()[token++];
            }
        }
        return sums;
    }

    /** What holds for each part, for every token of it. */
    double[] spread(double[] byPart) {
        double[] all = new double[Arrays.stream(counts).sum()];
        int token = 0;
        for (int part = 0; part < counts.length; part++) {
            Arrays.fill(all, token, token + counts[part], byPart[part]);
            token += counts[part];
        }
        return all;
    }
}
