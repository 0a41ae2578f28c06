package org.finetune4j.rlhf.verify;

import java.util.Arrays;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.TokenLogprobs;

/**
 * The two models that losses compare.
 *
 * @param policy the one that learns
 * @param reference what it was before
 */
record PolicyAndReference(CausalLM policy, CausalLM reference) {

    /** Whether a model numbers the tokens by the mask; the others of transformers number padding too. */
    static boolean positionsFollowFromMask(CausalLM model) {
        return model.config().architecture().startsWith("OPT");
    }

    /** The sums over the answers of each row. */
    static double[] sums(CausalLM model, RecordedPairs rows) {
        return TokenLogprobs.of(model, rows.batch(row -> false, Map.of())).sums(rows.rows());
    }

    /** The scores of all tokens: [rows, length, vocabulary] float32, in the caller's scope. */
    static Tensor logits(CausalLM model, ModelInputs inputs) {
        return model.logits(inputs).to(DType.FLOAT32);
    }

    /** What every token of some rows is given by those before it, and 0 for each row's first. */
    static double[][] logprobs(Tensor logits, ModelInputs inputs) {
        int length = inputs.sequenceLength();
        int vocabulary = Math.toIntExact(logits.size(-1));
        double[][] all = new double[inputs.batchSize()][length];
        for (int row = 0; row < all.length; row++) {
            int[] next = Arrays.copyOfRange(inputs.inputIds(), row * length + 1, (row + 1) * length);
            if (next.length > 0) {
                try (TensorScope scope = TensorScope.open()) {
                    Tensor before =
                            logits.select(0, row).narrow(0, 0, length - 1).reshape(length - 1, vocabulary);
                    Tensor target =
                            Tensors.of(next, next.length, 1).to(DType.INT64).to(logits.device());
                    double[] own = Functional.logSoftmax(before, -1)
                            .gather(1, target)
                            .to(DType.FLOAT64)
                            .toDoubleArray();
                    System.arraycopy(own, 0, all[row], 1, own.length);
                }
            }
        }
        return all;
    }

    /**
     * The derivative of a loss with respect to the scores: each labelled token's own, times (onehot - p), at the token before.
     *
     * @param logits [rows, length, vocabulary]
     * @param batch whose labels are meant
     * @param derivative by the labelled tokens' log-probabilities
     * @return [rows, length, vocabulary]
     */
    static Tensor scoreGradient(Tensor logits, Batch batch, double[] derivative) {
        int size = batch.labels().length;
        double[] weights = new double[size];
        int[] targets = new int[size];
        int next = 0;
        for (int at = 0; at < size; at++) {
            if (at % batch.sequenceLength() > 0 && batch.labels()[at] >= 0) {
                weights[at - 1] = derivative[next++];
                targets[at - 1] = batch.labels()[at];
            }
        }
        Tensor weight = Tensors.of(weights, size, 1).to(DType.FLOAT32).to(logits.device());
        Tensor target = Tensors.of(targets, size, 1).to(DType.INT64).to(logits.device());
        return logits.reshape(size, -1)
                .softmax(-1)
                .mul(weight.neg())
                .scatterAddInPlace(1, target, weight)
                .view(logits.shape());
    }
}
