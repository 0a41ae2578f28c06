package org.finetune4j.train.gradient;

import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;

/**
 * How likely a model finds the labelled tokens of a batch, each after those before it: natural logarithms of probabilities
 * that were calculated in float32 at least. The arrays belong together and are not copied.
 *
 * @param rows which sequence of the batch each token is in, in ascending order
 * @param positions where it is in its row
 * @param values the logarithm of its probability
 * @param collisions the logarithm of the probability that two draws in its place are the same token, the sum of all squared
 *     probabilities; empty where nobody asked for them
 */
public record TokenLogprobs(int[] rows, int[] positions, double[] values, double[] collisions) {

    /**
     * Fails where the arrays do not belong together.
     *
     * @param rows which sequence of the batch each token is in, in ascending order
     * @param positions where it is in its row
     * @param values the logarithm of its probability
     * @param collisions the logarithm of the sum of all squared probabilities, or empty
     */
    public TokenLogprobs {
        if (rows.length != values.length
                || positions.length != values.length
                || (collisions.length != 0 && collisions.length != values.length)) {
            throw new IllegalArgumentException(
                    rows.length + " rows, " + positions.length + " positions, " + values.length + " values");
        }
    }

    /**
     * Log-probabilities alone.
     *
     * @param rows which sequence of the batch each token is in, in ascending order
     * @param positions where it is in its row
     * @param values the logarithm of its probability
     */
    public TokenLogprobs(int[] rows, int[] positions, double[] values) {
        this(rows, positions, values, new double[0]);
    }

    /**
     * Asks a model about a batch, without dropout.
     *
     * @param model the model
     * @param batch whose labelled tokens are meant
     * @return one number a labelled token
     */
    public static TokenLogprobs of(CausalLM model, Batch batch) {
        return of(model, batch, false);
    }

    /**
     * Asks a model about a batch, without dropout.
     *
     * @param model the model
     * @param batch whose labelled tokens are meant
     * @param collisions whether they are wanted too
     * @return the numbers of every labelled token
     */
    public static TokenLogprobs of(CausalLM model, Batch batch, boolean collisions) {
        TokenLogprobs[] seen = new TokenLogprobs[1];
        LossHead reader = LogprobLoss.of(model.network(), batch, 1, batch.labelledTokens(), collisions, logprobs -> {
            seen[0] = logprobs;
            return new LogprobLoss.Value(0, new double[logprobs.size()]);
        });
        new Backpropagation(model, GradientCheckpointing.none()).evaluate(batch.modelInputs(), reader);
        return seen[0];
    }

    /**
     * The number of tokens.
     *
     * @return as many as every array has
     */
    public int size() {
        return values.length;
    }

    /**
     * The sums over each row's tokens.
     *
     * @param count the number of rows
     * @return 0 for a row without labelled tokens
     */
    public double[] sums(int count) {
        double[] sums = new double[count];
        for (int i = 0; i < values.length; i++) {
            sums[rows[i]] += values[i];
        }
        return sums;
    }
}
