package org.finetune4j.rlhf.verify;

import java.util.Arrays;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;

/** The scores and log-probabilities that both models give to the recorded rows. */
final class LogprobChecks {

    private final RecordedPairs rows;
    private final Comparison compare;

    LogprobChecks(RecordedPairs rows, Comparison compare) {
        this.rows = rows;
        this.compare = compare;
    }

    /** @param model the one whose tensors begin with {@code prefix} */
    void check(RecordedTensors file, String prefix, CausalLM model) {
        double limit = compare.tolerances().logits();
        Batch batch = rows.batch(row -> false, Map.of());
        compare.attempt(prefix, () -> {
            Tensor logits = PolicyAndReference.logits(model, batch.modelInputs());
            int vocabulary = Math.toIntExact(logits.size(-1));
            double[] scores = logits.to(DType.FLOAT64).contiguous().toDoubleArray();
            compare.attempt(
                    prefix + "logits",
                    () -> compare.values(
                            prefix + "logits",
                            scores,
                            file.values(prefix + "logits"),
                            limit,
                            i -> batch.attentionMask()[i / vocabulary] == 1));
            double[][] all = PolicyAndReference.logprobs(logits, batch.modelInputs());
            double[][] tokens = new double[all.length][];
            double[] sums = new double[all.length];
            double[] averages = new double[all.length];
            for (int row = 0; row < all.length; row++) {
                tokens[row] = new double[rows.length() - 1];
                for (int t = 1; t < rows.length(); t++) {
                    tokens[row][t - 1] = rows.answers()[row][t] == 1 ? all[row][t] : 0;
                }
                sums[row] = Arrays.stream(tokens[row]).sum();
                averages[row] = sums[row] / Math.max(1, rows.answerTokens(row));
            }
            String name = prefix + "per_token_logps";
            compare.attempt(name, () -> compare.rows(name, tokens, file.rows(name), limit));
            compare.attempt(
                    prefix + "logps",
                    () -> compare.values(prefix + "logps", sums, file.values(prefix + "logps"), limit));
            compare.attempt(
                    prefix + "avg_logps",
                    () -> compare.values(prefix + "avg_logps", averages, file.values(prefix + "avg_logps"), limit));
        });
    }
}
