package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;

/**
 * Rows of answers. Answers to one prompt that follow each other share a row, in which the prompt stands once and the answers do not
 * see each other.
 */
final class AnswerRows {

    /** Tokens of every answer of a row, in their order. */
    private static final String LENGTHS = "answer_lengths";

    /** A prompt this short is cheaper to compute again than to attend to apart. */
    private static final int SHORT_PROMPT = 8;

    private AnswerRows() {}

    /** One batch of some answers. */
    static Batch batch(List<TrainedAnswer> answers, Collator collator, boolean shares) {
        List<Sample> rows = new ArrayList<>();
        for (int start = 0; start < answers.size(); ) {
            int end = start + 1;
            int[] prompt = answers.get(start).prompt();
            while (shares
                    && end < answers.size()
                    && prompt.length > SHORT_PROMPT
                    && Arrays.equals(prompt, answers.get(end).prompt())) {
                end++;
            }
            rows.add(row(answers.subList(start, end)));
            start = end;
        }
        return collator.collate(rows);
    }

    private static Sample row(List<TrainedAnswer> answers) {
        int[] prompt = answers.get(0).prompt();
        IntStream.Builder ids = IntStream.builder();
        IntStream.Builder positions = IntStream.builder();
        for (int i = 0; i < prompt.length; i++) {
            ids.add(prompt[i]);
            positions.add(i);
        }
        float[] lengths = new float[answers.size()];
        for (int i = 0; i < lengths.length; i++) {
            int[] answer = answers.get(i).answer();
            lengths[i] = answer.length;
            for (int t = 0; t < answer.length; t++) {
                ids.add(answer[t]);
                positions.add(prompt.length + t);
            }
        }
        int[] all = ids.build().toArray();
        int[] labels = all.clone();
        Arrays.fill(labels, 0, prompt.length, Sample.IGNORE_INDEX);
        Sample sample = answers.size() == 1
                ? new Sample(all, labels)
                : new Sample(all, labels, positions.build().toArray());
        sample = sample.with(LENGTHS, lengths);
        for (String name : answers.get(0).columns().keySet()) {
            sample = sample.with(name, joined(answers, name));
        }
        return sample;
    }

    private static float[] joined(List<TrainedAnswer> answers, String name) {
        List<float[]> parts = new ArrayList<>();
        answers.forEach(answer -> parts.add(answer.column(name)));
        return joined(parts);
    }

    /** All numbers in one array. */
    static float[] joined(List<float[]> parts) {
        float[] all = new float[parts.stream().mapToInt(part -> part.length).sum()];
        int next = 0;
        for (float[] part : parts) {
            System.arraycopy(part, 0, all, next, part.length);
            next += part.length;
        }
        return all;
    }

    /** How many answers a batch has. */
    static int count(Batch batch) {
        return Arrays.stream(batch.column(LENGTHS)).mapToInt(row -> row.length).sum();
    }

    /** Tokens of every answer of a batch, in their order. */
    static int[] lengths(Batch batch) {
        float[] all = flat(batch, LENGTHS);
        int[] lengths = new int[all.length];
        Arrays.setAll(lengths, i -> (int) all[i]);
        return lengths;
    }

    /** A column with one number a token, an array an answer. */
    static double[][] tokens(Batch batch, String name, int[] lengths) {
        float[] all = flat(batch, name);
        double[] wide = new double[all.length];
        Arrays.setAll(wide, i -> all[i]);
        return split(wide, lengths);
    }

    /** A column with one number an answer. */
    static float[] answers(Batch batch, String name) {
        return flat(batch, name);
    }

    /** Numbers of all tokens as an array an answer. */
    static double[][] split(double[] all, int[] lengths) {
        double[][] answers = new double[lengths.length][];
        int next = 0;
        for (int i = 0; i < lengths.length; i++) {
            answers[i] = Arrays.copyOfRange(all, next, next + lengths[i]);
            next += lengths[i];
        }
        if (next != all.length) {
            throw new IllegalStateException("answers of " + next + " tokens have " + all.length + " numbers");
        }
        return answers;
    }

    /** The opposite of {@link #split}. */
    static double[] joined(double[][] answers) {
        return Arrays.stream(answers).flatMapToDouble(Arrays::stream).toArray();
    }

    private static float[] flat(Batch batch, String name) {
        return joined(List.of(batch.column(name)));
    }
}
