package org.finetune4j.rlhf.rollout;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.supervised.PromptTokenizer;
import org.finetune4j.data.supervised.TokenizedPrompt;
import org.jspecify.annotations.Nullable;

/** Prompts of records, tokenised when they are asked for. As samples they have nothing to learn: the answers are to come. */
public final class PromptSamples implements TrainingDataset {

    /** The column of the record's own answer, where it has one and no column of this name. */
    static final String ANSWER = "answer";

    private final ExampleDataset examples;
    private final PromptTokenizer tokenizer;
    private final int maxPromptLength;
    private final int[] kept;

    /**
     * The prompts of examples that leave room for an answer.
     *
     * @param examples of any kind that asks something
     * @param tokenizer puts them into tokens
     * @param maxPromptLength tokens of the longest prompt; longer ones are left out
     * @throws UserErrorException when a record asks nothing, or no prompt is short enough
     */
    public PromptSamples(ExampleDataset examples, PromptTokenizer tokenizer, int maxPromptLength) {
        this.examples = examples;
        this.tokenizer = tokenizer;
        this.maxPromptLength = maxPromptLength;
        this.kept = IntStream.range(0, examples.size())
                .filter(index -> tokenized(index).ids().length <= maxPromptLength)
                .toArray();
        if (kept.length == 0) {
            throw new UserErrorException("none of the " + examples.size() + " prompts has " + maxPromptLength
                    + " tokens or fewer: raise max_prompt_length, or max_length, or lower max_completion_length");
        }
    }

    private TokenizedPrompt tokenized(int index) {
        try {
            return tokenizer.tokenize(examples.get(index));
        } catch (UserErrorException e) {
            String place = examples.location(index);
            String message = String.valueOf(e.getMessage());
            throw message.startsWith(place) ? e : new UserErrorException(place + ": " + message, e);
        }
    }

    /** {@return how many prompts were left out because they are too long} */
    public int leftOut() {
        return examples.size() - kept.length;
    }

    /** {@return tokens of the longest prompt that would be kept} */
    public int maxPromptLength() {
        return maxPromptLength;
    }

    @Override
    public int size() {
        return kept.length;
    }

    /**
     * A prompt.
     *
     * @param index from 0
     * @return text, tokens and what its record says
     * @throws UserErrorException when its file was changed since it was opened
     */
    public PolicyPrompt prompt(int index) {
        int record = kept[index];
        TokenizedPrompt prompt = tokenized(record);
        Map<String, @Nullable Object> columns = new LinkedHashMap<>(examples.fields(record));
        Example example = examples.get(record);
        String answer = PromptTokenizer.answer(example);
        if (answer != null) {
            columns.putIfAbsent(ANSWER, answer);
        }
        return new PolicyPrompt(index, prompt.text(), prompt.ids(), columns);
    }

    @Override
    public Sample get(int index) {
        int[] ids = tokenized(kept[index]).ids();
        int[] labels = new int[ids.length];
        Arrays.fill(labels, Sample.IGNORE_INDEX);
        return new Sample(ids, labels);
    }

    @Override
    public String location(int index) {
        return examples.location(kept[index]);
    }
}
