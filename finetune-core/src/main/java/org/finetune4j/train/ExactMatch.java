package org.finetune4j.train;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.finetune4j.data.InstructionSamples;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;

/** The share of prompts that a model answers with exactly the expected text. */
public final class ExactMatch {

    private ExactMatch() {}

    /**
     * Answers every prompt greedily, several at once.
     *
     * @param batchSize prompts that are answered together
     * @param maxNewTokens where an answer that does not end is cut off
     * @return from 0 to 1
     */
    public static double of(CausalLM model, InstructionSamples samples, int batchSize, int maxNewTokens) {
        // Prompts of like length go together: padding is computed for nothing.
        List<Integer> order = IntStream.range(0, samples.size())
                .boxed()
                .sorted(Comparator.comparingInt(i -> samples.prompt(i).length()))
                .toList();
        int hits = 0;
        for (int start = 0; start < order.size(); start += batchSize) {
            List<Integer> batch = order.subList(start, Math.min(start + batchSize, order.size()));
            List<String> prompts = batch.stream().map(samples::prompt).toList();
            List<String> answers = new ArrayList<>(
                    TextGenerator.of(model).generateAll(prompts, GenerationOptions.greedy(maxNewTokens)));
            for (int i = 0; i < batch.size(); i++) {
                if (answers.get(i).equals(samples.record(batch.get(i)).output())) {
                    hits++;
                }
            }
        }
        return (double) hits / samples.size();
    }
}
