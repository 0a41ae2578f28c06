package org.finetune4j.train;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.supervised.SupervisedSamples;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.jspecify.annotations.Nullable;

/** Answers the prompts of a dataset's first samples greedily. */
final class GeneratedPreview implements SamplePreview {

    private final CausalLM model;
    private final List<Asked> questions;
    private final int maxNewTokens;
    private List<String> answersBefore = List.of();

    /** @param columns of the question's sample */
    private record Asked(PromptCompletion texts, Map<String, float[]> columns) {}

    /** Answers of the first samples; null for samples that are no prompts with answers. */
    static @Nullable GeneratedPreview of(
            CausalLM model, @Nullable TrainingDataset samples, int count, int maxNewTokens) {
        return count > 0
                        && samples instanceof SupervisedSamples prompts
                        && prompts.question(0).isPresent()
                ? new GeneratedPreview(model, prompts, count, maxNewTokens)
                : null;
    }

    private GeneratedPreview(CausalLM model, SupervisedSamples samples, int count, int maxNewTokens) {
        this.model = model;
        this.questions = IntStream.range(0, Math.min(count, samples.size()))
                .mapToObj(i -> samples.question(i)
                        .map(texts -> new Asked(texts, samples.get(i).columns())))
                .flatMap(Optional::stream)
                .toList();
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
        for (int i = 0; i < questions.size(); i++) {
            PromptCompletion question = questions.get(i).texts();
            comparisons.add(new SampleComparison(
                    question.prompt(), question.completion(), answersBefore.get(i), answersAfter.get(i)));
        }
        return comparisons;
    }

    private List<String> answers() {
        return questions.stream()
                .map(question -> TextGenerator.of(model)
                        .generate(
                                question.texts().prompt(),
                                options(question.columns().get(Sample.TASK))))
                .toList();
    }

    private GenerationOptions options(float @Nullable [] task) {
        GenerationOptions greedy = GenerationOptions.greedy(maxNewTokens);
        return task == null ? greedy : greedy.toBuilder().taskId((int) task[0]).build();
    }
}
