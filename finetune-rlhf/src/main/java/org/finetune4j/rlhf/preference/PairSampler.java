package org.finetune4j.rlhf.preference;

import java.util.Arrays;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.rlhf.pair.PairDataset;
import org.finetune4j.rlhf.pair.TokenizedPair;

/**
 * Puts both answers of a pair into one row.
 *
 * @param sharing whether the tokens of their prompt are there once; otherwise each answer is a sequence of its own
 * @param prompts whether the tokens of the chosen answer's prompt are labelled too
 * @param tailWeight what a token of the longer answer counts past the length of the shorter one
 */
public record PairSampler(boolean sharing, boolean prompts, double tailWeight) implements PairDataset.Sampler {

    /**
     * Answers all of whose tokens count alike.
     *
     * @param sharing whether the tokens of their prompt are there once
     * @param prompts whether the tokens of the chosen answer's prompt are labelled too
     */
    public PairSampler(boolean sharing, boolean prompts) {
        this(sharing, prompts, 1);
    }

    @Override
    public Sample sample(TokenizedPair pair, PreferencePair record) {
        return sample(pair);
    }

    /**
     * The sample of a pair.
     *
     * @param pair its tokens
     * @return a row with the column {@link PreferenceColumns#ANSWER_TOKENS}
     */
    public Sample sample(TokenizedPair pair) {
        int shared = sharing ? pair.commonPrompt() : 0;
        Sample row = pair.row(shared);
        int[] labels = row.labels().clone();
        int second = pair.chosen().ids().length;
        if (shared == 0) {
            labels[second] = Sample.IGNORE_INDEX; // nothing stands before it
        }
        int prompt = 0;
        int end = prompts ? Math.min(pair.chosen().promptLength(), second) : 0;
        for (int i = 1; i < end; i++) {
            labels[i] = row.inputIds()[i];
            prompt++;
        }
        Sample sample = new Sample(row.inputIds(), labels, row.positionIds())
                .with(PreferenceColumns.ANSWER_TOKENS, prompt, learned(pair.chosen()), learned(pair.rejected()));
        return tailWeight == 1 ? sample : sample.with(PreferenceColumns.TAIL_WEIGHT, (float) tailWeight);
    }

    /** How many tokens of a sequence are learned: all marked ones that come after another. */
    static int learned(TokenizedExample answer) {
        int count = 0;
        for (boolean trained : Arrays.copyOfRange(answer.trained(), 1, answer.trained().length)) {
            count += trained ? 1 : 0;
        }
        return count;
    }
}
