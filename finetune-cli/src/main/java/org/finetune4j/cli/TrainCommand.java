package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.RunDirectory;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.TrainingSummary;
import org.finetune4j.train.memory.ProcessMemory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Runs a training. */
@Command(
        name = "train",
        mixinStandardHelpOptions = true,
        description = "Runs the training that a configuration describes. Ctrl-C stops it with a checkpoint.")
final class TrainCommand implements Callable<Integer> {

    @Mixin
    private ConfigArguments config;

    @Override
    public Integer call() {
        TrainingJob job = config.read();
        RunDirectory.check(job.arguments());
        OutputDirectory.check(job.outputDirectory());
        Path directory = job.model();
        long process = ProcessMemory.afterStart();
        try (CausalLM model = CausalLM.load(directory, job.load().options())) {
            JobData data = job.data().load(model);
            data.notes().forEach(note -> System.err.println("data: " + note));
            FineTuner tuner = job.tuner(model, data, process);
            job.reports().listeners(job.outputDirectory()).forEach(tuner::listener);
            try (InterruptGuard guard = new InterruptGuard(tuner::requestStop);
                    TrainingResult result = tuner.train()) {
                return finish(job, result);
            }
        }
    }

    private static int finish(TrainingJob job, TrainingResult result) {
        TrainingSummary summary = result.summary();
        if (summary.interrupted()) {
            System.err.println("stopped after step " + summary.steps() + "; go on with resume_from_checkpoint=true");
            return Main.FAILURE;
        }
        result.save(job.outputDirectory());
        System.out.println(job.outputDirectory());
        return 0;
    }
}
