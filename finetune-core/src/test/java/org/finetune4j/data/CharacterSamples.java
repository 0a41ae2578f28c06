package org.finetune4j.data;

import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.format.PromptCompletion;

/** Prompts and completions of a dataset, read when they are asked for; every character is a token. */
public record CharacterSamples(ExampleDataset examples, int vocabulary, int longest) implements TrainingDataset {

    @Override
    public int size() {
        return examples.size();
    }

    @Override
    public Sample get(int index) {
        PromptCompletion texts = (PromptCompletion) examples.get(index);
        String text = texts.prompt() + texts.completion();
        int[] ids = text.chars()
                .limit(longest)
                .map(character -> character % vocabulary)
                .toArray();
        int[] labels = ids.clone();
        for (int i = 0; i < Math.min(texts.prompt().length(), ids.length - 1); i++) {
            labels[i] = Sample.IGNORE_INDEX;
        }
        return new Sample(ids, labels);
    }

    @Override
    public String location(int index) {
        return examples.location(index);
    }
}
