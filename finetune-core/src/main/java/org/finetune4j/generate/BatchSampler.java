package org.finetune4j.generate;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.generate.RunningSequence.Choice;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * Chooses the next token of every row. Rows that take the likeliest token are done where the scores are, all at once; those that draw
 * from all by temperature have their probabilities computed there; what else there is needs the scores on the heap. How a row is done depends on
 * nothing but the row.
 */
final class BatchSampler {

    private BatchSampler() {}

    /** @param scores [sequences, vocabulary] */
    static void choose(List<RunningSequence> sequences, Tensor scores) {
        for (Choice choice : Choice.values()) {
            int[] rows = IntStream.range(0, sequences.size())
                    .filter(row -> sequences.get(row).choice() == choice)
                    .toArray();
            if (rows.length > 0) {
                List<RunningSequence> own =
                        Arrays.stream(rows).mapToObj(sequences::get).toList();
                Tensor theirs = rows.length == sequences.size()
                        ? scores
                        : scores.indexSelect(0, Tensors.of(rows, rows.length).to(scores.device()));
                choose(choice, own, theirs.to(DType.FLOAT32));
            }
        }
    }

    private static void choose(Choice choice, List<RunningSequence> sequences, Tensor scores) {
        switch (choice) {
            case LIKELIEST -> takeLikeliest(sequences, scores);
            case DRAWN -> draw(sequences, scores);
            case BY_SCORES -> {
                int vocabulary = (int) scores.size(1);
                float[] all = scores.toFloatArray();
                for (int row = 0; row < sequences.size(); row++) {
                    sequences.get(row).choose(Arrays.copyOfRange(all, row * vocabulary, (row + 1) * vocabulary));
                }
            }
        }
    }

    private static void takeLikeliest(List<RunningSequence> sequences, Tensor scores) {
        Tensor tokens = scores.argmax(-1).unsqueeze(1); // [rows, 1]
        float[] best = scores.gather(1, tokens).toFloatArray();
        float[] logSums = logSums(sequences, scores);
        long[] ids = tokens.toLongArray();
        for (int row = 0; row < ids.length; row++) {
            accept(sequences.get(row), ids[row], best[row], logSums == null ? 0 : best[row] - logSums[row], 0);
        }
    }

    private static void draw(List<RunningSequence> sequences, Tensor scores) {
        int vocabulary = (int) scores.size(1);
        float[] temperatures = new float[sequences.size()];
        boolean plain = true;
        for (int row = 0; row < temperatures.length; row++) {
            temperatures[row] =
                    LogitsProcessor.divisor(sequences.get(row).options().temperature());
            plain &= temperatures[row] == 1;
        }
        Tensor scaled = plain ? scores : scores.div(column(temperatures, scores));
        float[] probabilities = scaled.softmax(-1).toFloatArray();
        long[] ids = new long[temperatures.length];
        float[] drawn = new float[ids.length];
        for (int row = 0; row < ids.length; row++) {
            int first = row * vocabulary;
            int place = sequences.get(row).sampler().draw(probabilities, first, first + vocabulary);
            ids[row] = (long) place - first;
            drawn[row] = probabilities[place];
        }
        float[] logSums = plain ? null : logSums(sequences, scores);
        float[] raw = logSums == null
                ? new float[0]
                : scores.gather(1, Tensors.of(ids, ids.length, 1).to(scores.device()))
                        .toFloatArray();
        for (int row = 0; row < ids.length; row++) {
            float sampled = (float) Math.log(drawn[row]);
            accept(sequences.get(row), ids[row], sampled, logSums == null ? sampled : raw[row] - logSums[row], sampled);
        }
    }

    private static Tensor column(float[] values, Tensor like) {
        return Tensors.of(values, values.length, 1).to(like.device());
    }

    private static float @Nullable [] logSums(List<RunningSequence> sequences, Tensor scores) {
        return sequences.stream().anyMatch(RunningSequence::reportsLogprobs)
                ? scores.logSumExp(-1).toFloatArray()
                : null;
    }

    private static void accept(RunningSequence sequence, long token, float witness, float logprob, float sampled) {
        if (Float.isFinite(witness)) {
            sequence.accept((int) token, logprob, sampled);
        } else {
            sequence.failNoNumbers();
        }
    }
}
