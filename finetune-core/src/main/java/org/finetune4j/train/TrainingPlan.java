package org.finetune4j.train;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a training run sets out to do.
 *
 * @param runName name of the run for people, for example the base name of its output directory
 * @param totalSteps optimizer steps of the whole run, those before {@code startStep} included
 * @param totalEpochs passes over the training data that {@code totalSteps} make; may be a fraction
 * @param startStep optimizer steps that were done before this start: 0 for a new run, more for a resumed one
 * @param trainableParameters number of scalars that the optimizer changes
 * @param totalParameters number of scalars of the model, frozen ones and adapters included
 * @param configuration what the user chose, by key, in the order in which it should be shown; copied
 */
public record TrainingPlan(
        String runName,
        long totalSteps,
        double totalEpochs,
        long startStep,
        long trainableParameters,
        long totalParameters,
        Map<String, @Nullable Object> configuration) {

    /**
     * Copies the configuration.
     *
     * @param runName name of the run for people, for example the base name of its output directory
     * @param totalSteps optimizer steps of the whole run, those before {@code startStep} included
     * @param totalEpochs passes over the training data that {@code totalSteps} make; may be a fraction
     * @param startStep optimizer steps that were done before this start: 0 for a new run, more for a resumed one
     * @param trainableParameters number of scalars that the optimizer changes
     * @param totalParameters number of scalars of the model, frozen ones and adapters included
     * @param configuration what the user chose, by key, in the order in which it should be shown; copied
     */
    public TrainingPlan {
        configuration = Collections.unmodifiableMap(new LinkedHashMap<>(configuration));
    }
}
