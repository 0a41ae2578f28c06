package org.finetune4j.peft.auto;

import java.nio.file.Path;
import org.finetune4j.train.arguments.StepInterval;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;

/**
 * One candidate's training as it is begun or gone on with.
 *
 * @param candidate what is tried
 * @param directory where its checkpoints are
 * @param steps of its whole training, should it win: what its schedule is made for
 * @param resumes whether there is a checkpoint to go on from
 */
public record Trial(Candidate candidate, Path directory, long steps, boolean resumes) {

    /**
     * The arguments of a training with what the trial decides: learning rate, steps, directory, and no evaluations of its own.
     *
     * @param builder with everything else
     * @return the same builder
     */
    public TrainingArgumentsBuilder arguments(TrainingArgumentsBuilder builder) {
        return builder.learningRate(candidate.learningRate())
                .maxSteps(steps)
                .outputDirectory(directory)
                .resume(resumes)
                .evaluation(StepInterval.NEVER)
                .saveTotalLimit(1);
    }
}
