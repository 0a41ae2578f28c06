package org.finetune4j.rlhf.distill;

import java.util.Arrays;
import java.util.function.ToDoubleFunction;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.Teacher;
import org.finetune4j.train.gradient.TeacherDistribution.Likeliest;

/** What a teacher once said about the likeliest words, which the samples of a batch bring in their columns. */
enum StoredTeacher implements Teacher {
    INSTANCE;

    /** The likeliest words in the place of each labelled token, one token after the other. */
    static final String WORDS = "teacher_words";

    /** How likely they are. */
    static final String LOGPROBS = "teacher_logprobs";

    static boolean isIn(Batch batch) {
        return batch.columns().containsKey(WORDS);
    }

    @Override
    public double under(Batch batch, ToDoubleFunction<Scores> loss) {
        int[] words = flat(batch.wholeColumn(WORDS));
        float[] logprobs = flat(batch.column(LOGPROBS));
        int tokens = batch.labelledTokens();
        if (words.length == 0 || words.length != logprobs.length || words.length % tokens != 0) {
            throw new UserErrorException("the batch has " + tokens + " labelled tokens, and its teacher named "
                    + words.length + " words with " + logprobs.length + " log-probabilities");
        }
        int k = words.length / tokens;
        return loss.applyAsDouble((start, count) -> new Likeliest(
                Tensors.of(Arrays.copyOfRange(words, start * k, (start + count) * k), count, k)
                        .to(DType.INT64),
                Tensors.of(Arrays.copyOfRange(logprobs, start * k, (start + count) * k), count, k)));
    }

    private static int[] flat(int[][] rows) {
        return Arrays.stream(rows).flatMapToInt(Arrays::stream).toArray();
    }

    private static float[] flat(float[][] rows) {
        int length = 0;
        for (float[] row : rows) {
            length += row.length;
        }
        float[] all = new float[length];
        int next = 0;
        for (float[] row : rows) {
            System.arraycopy(row, 0, all, next, row.length);
            next += row.length;
        }
        return all;
    }
}
