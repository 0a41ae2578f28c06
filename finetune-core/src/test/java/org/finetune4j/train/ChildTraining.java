package org.finetune4j.train;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.finetune4j.ChildJvm;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.arguments.TrainingArguments;

/** A training in a process of its own, to be killed. */
public final class ChildTraining {

    static final long STEPS = 16;

    private ChildTraining() {}

    /** @param slowly whether it pauses after every step, so that there is time to kill it */
    static Process start(Path output, boolean slowly) throws IOException {
        return new ProcessBuilder(ChildJvm.command(
                        List.of("-Xmx256m"), ChildTraining.class, output.toString(), String.valueOf(slowly)))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(new File(
                        output.resolveSibling(output.getFileName() + ".log").toString()))
                .start();
    }

    public static void main(String[] args) {
        TrainingArguments arguments = TrainingArguments.builder()
                .batchSize(2)
                .gradientAccumulationSteps(2)
                .maxSteps(STEPS)
                .learningRate(5e-3)
                .saveSteps(1)
                .outputDirectory(Path.of(args[0]))
                .resume(new CheckpointDirectory(Path.of(args[0])).latest().isPresent())
                .build();
        TrainingListener pause = new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                if (Boolean.parseBoolean(args[1])) {
                    try {
                        TimeUnit.MILLISECONDS.sleep(50);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                }
            }
        };
        try (CausalLM model = CausalLM.load(Path.of("src/test/resources/goldens/arch/llama"));
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            new Trainer(
                            model,
                            full,
                            arguments,
                            new SyntheticSamples(13, 199, 1),
                            null,
                            new Collator(0, 1),
                            List.of(pause))
                    .train();
        }
    }
}
