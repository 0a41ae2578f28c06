package org.finetune4j.train;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.finetune4j.data.Collator;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.jspecify.annotations.Nullable;

/** A full fine-tuning of a tiny model that takes a fraction of a second, for tests of what happens around the steps. */
final class TinyRun {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");

    private final List<String> warnings = new ArrayList<>();
    private TrainingArgumentsBuilder arguments;
    private List<TrainingListener> listeners = List.of();
    private @Nullable TrainingDataset heldOut;
    private long stopAfter = Long.MAX_VALUE;

    TinyRun(Path output) {
        arguments = TrainingArguments.builder().batchSize(2).learningRate(1e-2).outputDirectory(output);
    }

    TinyRun steps(long steps) {
        arguments.maxSteps(steps);
        return this;
    }

    TinyRun resume() {
        return resume(true);
    }

    TinyRun resume(boolean resume) {
        arguments.resume(resume);
        return this;
    }

    TinyRun seed(long seed) {
        arguments.seed(seed);
        return this;
    }

    TinyRun saveEvery(long steps) {
        arguments.saveSteps(steps);
        return this;
    }

    /** With held-out samples, measured after every step. */
    TinyRun evaluated() {
        heldOut = new SyntheticSamples(5, 199, 2);
        arguments.evalSteps(1);
        return this;
    }

    TinyRun heldOut(@Nullable TrainingDataset samples) {
        heldOut = samples;
        return this;
    }

    TinyRun with(UnaryOperator<TrainingArgumentsBuilder> changes) {
        arguments = changes.apply(arguments);
        return this;
    }

    TinyRun listeners(List<TrainingListener> told) {
        listeners = told;
        return this;
    }

    TinyRun stopAfter(long step) {
        stopAfter = step;
        return this;
    }

    /** What the runs so far warned of. */
    List<String> warnings() {
        return warnings;
    }

    TrainingSummary train() {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Trainer[] trainer = new Trainer[1];
            List<TrainingListener> told = new ArrayList<>(listeners);
            told.add(new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    if (metrics.step() == stopAfter) {
                        trainer[0].requestStop();
                    }
                }

                @Override
                public void onWarning(String message) {
                    warnings.add(message);
                }
            });
            trainer[0] = new Trainer(
                    model,
                    full,
                    arguments.build(),
                    new SyntheticSamples(13, 199, 1),
                    heldOut,
                    new Collator(0, 1),
                    told);
            return trainer[0].train();
        }
    }
}
