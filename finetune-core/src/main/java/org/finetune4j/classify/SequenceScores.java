package org.finetune4j.classify;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.model.CausalLM;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;

/** A classifier's outputs for sequences, a batch at a time. */
public final class SequenceScores {

    /** Sequences that go through the model together. */
    private static final int BATCH = 8;

    private SequenceScores() {}

    /**
     * Runs sequences through a classifier, those of one length together, so that there is little padding.
     *
     * @param model a classifier of sequences
     * @param samples the sequences, whose labels do not matter
     * @return [sequence, output], before any softmax or sigmoid
     * @throws UserErrorException when an id is not in the model's table, or an output is no finite number
     */
    public static double[][] of(CausalLM model, List<Sample> samples) {
        double[][] scores = new double[samples.size()][];
        Collator collator = Collator.of(model);
        List<Integer> order = IntStream.range(0, scores.length)
                .boxed()
                .sorted(Comparator.comparingInt((Integer i) -> samples.get(i).inputIds().length))
                .toList();
        int together = model.config().padTokenId() == null ? 1 : BATCH; // by its id the model knows padding
        for (int start = 0; start < order.size(); start += together) {
            List<Integer> batch = order.subList(start, Math.min(order.size(), start + together));
            List<Sample> chosen = new ArrayList<>();
            batch.forEach(index -> chosen.add(samples.get(index)));
            try (TensorScope scope = TensorScope.open()) {
                Tensor logits = model.logits(collator.collate(chosen).modelInputs()); // [batch, labels]
                float[] all = logits.toFloatArray();
                int labels = all.length / chosen.size();
                for (int row = 0; row < chosen.size(); row++) {
                    scores[batch.get(row)] = row(all, row * labels, labels, batch.get(row));
                }
            }
        }
        return scores;
    }

    private static double[] row(float[] all, int from, int labels, int sequence) {
        double[] row = new double[labels];
        for (int i = 0; i < labels; i++) {
            row[i] = all[from + i];
            if (!Double.isFinite(row[i])) {
                throw new UserErrorException("the score of sequence " + sequence + " is " + row[i]
                        + ": the classifier's weights are broken, or its training diverged");
            }
        }
        return row;
    }
}
