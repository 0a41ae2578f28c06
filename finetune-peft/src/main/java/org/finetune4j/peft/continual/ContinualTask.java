package org.finetune4j.peft.continual;

import java.nio.file.Path;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.train.FineTuner;

/**
 * One of several tasks that one model learns in a row.
 *
 * @param name unlike the others', fit for a directory
 * @param train its samples
 * @param trainings makes its trainings and measurements
 */
public record ContinualTask(String name, TrainingDataset train, TaskTraining trainings) {

    /** Makes the trainings of a task. */
    @FunctionalInterface
    public interface TaskTraining {

        /**
         * A training of the task, whose method and samples are set by whoever asked.
         *
         * @param directory where its checkpoints go
         * @param resumes whether there is a checkpoint to go on from
         * @return with arguments, and the task's held-out samples
         */
        FineTuner tuner(Path directory, boolean resumes);
    }
}
