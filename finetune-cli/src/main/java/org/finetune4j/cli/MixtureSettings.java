package org.finetune4j.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DatasetSplit;
import org.finetune4j.data.examples.ConcatenatedExamples;
import org.finetune4j.data.examples.DatasetSpec;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.LoadedExamples;
import org.finetune4j.data.examples.RawRecords;
import org.finetune4j.data.format.Example;
import org.finetune4j.data.mixture.Contamination;
import org.finetune4j.data.mixture.Mixture;
import org.finetune4j.data.mixture.NearDuplicates;
import org.finetune4j.data.mixture.TaskSplit;

/**
 * How several datasets become one, and what is left out of it.
 *
 * @param temperature draws the shares of datasets together
 * @param duplicateThreshold similarity from which examples are duplicates, or 0 to keep all
 * @param evaluationPaths data that training must not overlap with
 * @param contaminationWords the run of words that counts as an overlap
 * @param evaluationTasks tasks to hold out
 * @param evaluationTaskFraction fraction of the tasks to hold out, or 0
 */
record MixtureSettings(
        double temperature,
        double duplicateThreshold,
        List<String> evaluationPaths,
        int contaminationWords,
        List<String> evaluationTasks,
        double evaluationTaskFraction,
        long seed) {

    static MixtureSettings of(Settings settings) {
        return new MixtureSettings(
                settings.number("mixture_temperature", 1, 1, 1e9),
                threshold(settings),
                settings.texts("decontaminate_against"),
                settings.integer("decontaminate_words", Contamination.DEFAULT_WORDS, 1),
                settings.texts("eval_tasks"),
                settings.number("eval_task_fraction", 0, 0, 0.99),
                settings.integer("seed", 42));
    }

    /** {@code true} for the usual similarity, or a number. */
    private static double threshold(Settings settings) {
        Object value = settings.value("deduplicate").orElse(false);
        if (value instanceof Boolean flag) {
            return flag ? NearDuplicates.DEFAULT_THRESHOLD : 0;
        }
        return settings.number("deduplicate", 0, 0, 1);
    }

    /** Whether tasks are held out. */
    boolean holdsOutTasks() {
        return !evaluationTasks.isEmpty() || evaluationTaskFraction > 0;
    }

    /** Opens, cleans, caps and mixes datasets; what happened is added to {@code notes}. */
    ExampleDataset mix(List<DatasetSpec> specs, Consumer<Example> check, List<String> notes) {
        List<LoadedExamples> loaded = new ArrayList<>();
        for (DatasetSpec spec : specs) {
            loaded.add(open(spec, check, notes));
        }
        int[] kept = clean(ConcatenatedExamples.of(loaded), notes);
        List<Mixture.Part> parts = new ArrayList<>();
        int start = 0;
        for (LoadedExamples examples : loaded) {
            int first = start;
            int[] own = Arrays.stream(kept)
                    .filter(index -> index >= first && index < first + examples.size())
                    .map(index -> index - first)
                    .toArray();
            ExampleDataset clean = own.length == examples.size() ? examples : examples.select(own);
            parts.add(new Mixture.Part(
                    capped(clean, examples.spec()), examples.spec().weight()));
            start += examples.size();
        }
        return Mixture.of(parts, temperature, seed);
    }

    /** Datasets one after the other, each with no more examples than it is to have. */
    static ExampleDataset all(List<DatasetSpec> specs, Consumer<Example> check, List<String> notes) {
        return ConcatenatedExamples.of(specs.stream()
                .map(spec -> capped(open(spec, check, notes), spec))
                .toList());
    }

    private static LoadedExamples open(DatasetSpec spec, Consumer<Example> check, List<String> notes) {
        LoadedExamples examples = LoadedExamples.open(spec, check);
        notes.addAll(examples.notes());
        return examples;
    }

    /** The indices of the examples that are neither duplicates, of any dataset, nor in the evaluation data. */
    private int[] clean(ExampleDataset examples, List<String> notes) {
        int[] kept = IntStream.range(0, examples.size()).toArray();
        if (duplicateThreshold > 0) {
            kept = NearDuplicates.kept(examples, duplicateThreshold);
            notes.add(examples.size() - kept.length + " near duplicates removed");
        }
        if (!evaluationPaths.isEmpty() && kept.length > 0) {
            int[] unique = kept;
            Contamination contamination = Contamination.of(RawRecords.open(evaluationPaths), contaminationWords);
            kept = Arrays.stream(contamination.clean(examples.select(unique)))
                    .map(index -> unique[index])
                    .toArray();
            notes.add(unique.length - kept.length + " examples removed that overlap with decontaminate_against");
        }
        return kept;
    }

    private static ExampleDataset capped(ExampleDataset examples, DatasetSpec spec) {
        return Mixture.cap(examples, spec.maxSamples(), spec.maxSamplesPerTask(), spec.seed());
    }

    /** Sets tasks aside. */
    DatasetSplit<ExampleDataset> split(ExampleDataset examples) {
        if (!evaluationTasks.isEmpty() && evaluationTaskFraction > 0) {
            throw new UserErrorException("give one of 'eval_tasks' and 'eval_task_fraction'");
        }
        return evaluationTasks.isEmpty()
                ? TaskSplit.random(examples, evaluationTaskFraction, seed)
                : TaskSplit.named(examples, evaluationTasks);
    }
}
