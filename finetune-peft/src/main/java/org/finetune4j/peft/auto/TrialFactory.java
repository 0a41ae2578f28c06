package org.finetune4j.peft.auto;

import org.finetune4j.train.FineTuner;

/** Makes the trainings of a search, all on one model. */
@FunctionalInterface
public interface TrialFactory {

    /**
     * A training of the trial's candidate.
     *
     * @param trial what is tried; its {@link Trial#arguments arguments} must be the training's
     * @return a fine-tuner with the candidate's strategy, data, and held-out samples
     * @throws org.finetune4j.UserErrorException when the candidate's settings cannot be used
     */
    FineTuner tuner(Trial trial);
}
