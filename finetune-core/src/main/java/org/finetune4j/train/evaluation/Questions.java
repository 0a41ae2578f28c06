package org.finetune4j.train.evaluation;

import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.model.Tokenizer;

/**
 * Prompts with the answers that are expected, from samples: the answer is what is learned last, and the prompt all tokens
 * before it. So a model is asked exactly what it was, or would be, trained to answer, in any format.
 */
public final class Questions {

    private final TrainingDataset samples;
    private final Tokenizer tokenizer;
    private final int size;

    private Questions(TrainingDataset samples, Tokenizer tokenizer, int size) {
        this.samples = samples;
        this.tokenizer = tokenizer;
        this.size = size;
    }

    /**
     * {@return the questions of a dataset; empty where its samples have no prompt, as plain text has none}
     *
     * @param dataset samples whose labels begin after a prompt
     * @param tokenizer the one that made the samples
     */
    public static Optional<Questions> of(TrainingDataset dataset, Tokenizer tokenizer) {
        boolean asks;
        try {
            asks = answerStart(dataset.get(0)) > 0;
        } catch (UserErrorException e) {
            asks = true; // What is wrong with the sample is said when it is asked.
        }
        return asks ? Optional.of(new Questions(dataset, tokenizer, dataset.size())) : Optional.empty();
    }

    /** {@return the number of questions} */
    public int size() {
        return size;
    }

    /**
     * {@return the tokens that the model is given}
     *
     * @param index of the question, from 0
     */
    public int[] prompt(int index) {
        Sample sample = samples.get(index);
        return Arrays.copyOf(sample.inputIds(), answerStart(sample));
    }

    /**
     * {@return the number of the task it belongs to, where the samples say theirs}
     *
     * @param index of the question, from 0
     */
    public OptionalInt task(int index) {
        float[] task = samples.get(index).columns().get(Sample.TASK);
        return task == null ? OptionalInt.empty() : OptionalInt.of((int) task[0]);
    }

    /**
     * {@return what it should say, without special tokens}
     *
     * @param index of the question, from 0
     */
    public String answer(int index) {
        Optional<PromptCompletion> texts =
                samples instanceof SupervisedSamples supervised ? supervised.question(index) : Optional.empty();
        if (texts.isPresent()) {
            return texts.get().completion();
        }
        Sample sample = samples.get(index);
        int start = answerStart(sample);
        int end = start;
        while (end < sample.length() && sample.labels()[end] != Sample.IGNORE_INDEX) {
            end++;
        }
        return tokenizer.decode(Arrays.copyOfRange(sample.inputIds(), start, end), true);
    }

    /** Where the last run of labelled tokens begins; 0 where there is none. */
    private static int answerStart(Sample sample) {
        int[] labels = sample.labels();
        int last = labels.length - 1;
        while (last > 0 && labels[last] == Sample.IGNORE_INDEX) {
            last--;
        }
        while (last > 0 && labels[last - 1] != Sample.IGNORE_INDEX) {
            last--;
        }
        return last;
    }

    /**
     * {@return the first {@code count} of these, or all when it is 0}
     *
     * @param count how many at most; 0 for all
     */
    public Questions first(int count) {
        return new Questions(samples, tokenizer, count == 0 ? size : Math.min(count, size));
    }
}
