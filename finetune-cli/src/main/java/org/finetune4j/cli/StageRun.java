package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import org.finetune4j.data.DataSharing;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.TrainingSummary;
import org.finetune4j.train.group.TrainingGroup;
import org.finetune4j.train.memory.ProcessMemory;

/**
 * One training, from its model and records to the files that it leaves.
 *
 * @param summary how it went; an interrupted one has left its checkpoint and nothing else
 * @param warnings what was said on the way
 */
record StageRun(TrainingSummary summary, List<String> warnings) {

    /** What is done with a complete training before its model is closed. */
    @FunctionalInterface
    interface Completion {

        /**
         * @param result what the training made, saved already
         * @param model with the method on it
         */
        void with(TrainingResult result, CausalLM model);
    }

    /**
     * Trains and saves.
     *
     * @param completion runs when the training is complete and saved
     * @throws org.finetune4j.UserErrorException when settings, data and model do not fit together
     */
    static StageRun of(TrainingSettings training, Completion completion) {
        training.parallel().requireAlone();
        return of(training, TrainingGroup.alone(), options -> options, DataSharing.NONE, completion);
    }

    /**
     * Trains and saves with others; all ranks call it.
     *
     * @param group the ranks; the first one writes, and says how far it is
     * @param share what this rank loads of the model
     * @param sharing so that one rank tokenises what all read
     * @param completion runs on every rank when the training is complete and saved
     * @throws org.finetune4j.UserErrorException when settings, data and model do not fit together
     */
    static StageRun of(
            TrainingSettings training,
            TrainingGroup group,
            UnaryOperator<LoadOptions> share,
            DataSharing sharing,
            Completion completion) {
        Path directory = training.model();
        long process = ProcessMemory.afterStart();
        TrainingRecords records = training.data().records();
        try (CausalLM model = training.load(directory, records, share)) {
            TrainingData data = training.data().load(model, records, sharing);
            FineTuner tuner = training.tuner(model, data, process).group(group);
            if (group.isFirst()) {
                data.notes().forEach(note -> System.err.println("data: " + note));
                training.reports().listeners(training.outputDirectory()).forEach(tuner::listener);
            }
            try (InterruptGuard guard = new InterruptGuard(tuner::requestStop);
                    TrainingResult result = tuner.train()) {
                if (!result.summary().interrupted()) {
                    result.onFirst(() -> {
                        training.data().stage().save(result, training.outputDirectory());
                        completion.with(result, model);
                    });
                }
                return new StageRun(result.summary(), result.warnings());
            }
        }
    }
}
