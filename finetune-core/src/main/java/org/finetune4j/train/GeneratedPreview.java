package org.finetune4j.train;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.data.InstructionSamples;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;

/** Answers the first prompts of a dataset greedily. */
final class GeneratedPreview implements SamplePreview {

    private final CausalLM model;
    private final InstructionSamples samples;
    private final int count;
    private final int maxNewTokens;
    private List<String> answersBefore = List.of();

    GeneratedPreview(CausalLM model, InstructionSamples samples, int count, int maxNewTokens) {
        this.model = model;
        this.samples = samples;
        this.count = Math.min(count, samples.size());
        this.maxNewTokens = maxNewTokens;
    }

    @Override
    public void before() {
        answersBefore = answers();
    }

    @Override
    public List<SampleComparison> after() {
        List<String> answersAfter = answers();
        List<SampleComparison> comparisons = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            comparisons.add(new SampleComparison(
                    samples.prompt(i), samples.record(i).output(), answersBefore.get(i), answersAfter.get(i)));
        }
        return comparisons;
    }

    private List<String> answers() {
        List<String> answers = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            answers.add(TextGenerator.of(model).generate(samples.prompt(i), GenerationOptions.greedy(maxNewTokens)));
        }
        return answers;
    }
}
