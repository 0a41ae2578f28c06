package org.finetune4j.data;

import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.LoadedExamples;

/** Goes through all batches of a file, in a process of its own with little memory. */
public final class ChildFeed {

    private ChildFeed() {}

    public static void main(String[] args) {
        LoadedExamples examples = LoadedExamples.open(DatasetSpec.of(args[0]).build());
        TrainingDataset samples = new CharacterSamples(examples, 1000, Integer.MAX_VALUE);
        DataLoader loader =
                new DataLoader(samples, BatchSampler.training(samples, 4, 1, true), new Collator(0, 1), 2, 2);
        long tokens = 0;
        try (BatchIterator batches = loader.epoch(0)) {
            while (batches.hasNext()) {
                tokens += batches.next().realTokens();
            }
        }
        System.out.println(samples.size() + " " + tokens);
    }
}
