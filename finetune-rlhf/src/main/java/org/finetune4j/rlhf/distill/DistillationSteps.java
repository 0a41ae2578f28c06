package org.finetune4j.rlhf.distill;

import org.finetune4j.data.Collator;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.train.DatasetSteps;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.steps.StepSetup;
import org.finetune4j.train.steps.StepSource;
import org.jspecify.annotations.Nullable;

/**
 * Opens the steps of a distillation, and its teacher with them.
 *
 * @param samples to train on
 * @param objective of every batch
 * @param answers who writes them
 * @param teacher closed with the steps; null where samples bring what it said
 * @param stored what it says about samples, closed with the steps, or null
 */
record DistillationSteps(
        TrainingDataset samples,
        Distillation objective,
        AnswerSettings answers,
        @Nullable TeacherModel teacher,
        @Nullable StoredLogits stored)
        implements StepSource.Factory {

    @Override
    public StepSource open(StepSetup setup) {
        try {
            // What is kept in files was asked for by all ranks together, before the run.
            Objective bound = objective.on(setup.model(), setup.strategy(), Membership.ALONE);
            StepSource records = new DatasetSteps(samples, bound, Collator.of(setup.model()), setup.arguments());
            return new AnsweredSteps(
                    records,
                    answers,
                    setup,
                    answers.byTeacher() && teacher != null ? teacher.open(setup.model()) : null,
                    this::close);
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    @Override
    public StepSource.Opened openEvaluation(StepSetup setup) {
        return this::close;
    }

    private void close() {
        if (teacher != null) {
            teacher.close();
        }
        if (stored != null) {
            stored.close();
        }
    }
}
