package org.finetune4j.train;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.finetune4j.nn.Parameter;

/** Counts what a run will train, for those who are told of its start. */
final class TrainingPlans {

    private TrainingPlans() {}

    static TrainingPlan of(
            RunConfiguration run, List<Parameter> trainable, long totalSteps, double totalEpochs, long startStep) {
        Set<Parameter> all = Collections.newSetFromMap(new IdentityHashMap<>());
        all.addAll(run.model().network().allParameters());
        all.addAll(trainable);
        Path output = run.arguments().outputDirectory();
        Path name = output == null ? null : output.toAbsolutePath().getFileName();
        return new TrainingPlan(
                name == null ? "training" : name.toString(),
                totalSteps,
                totalEpochs,
                startStep,
                scalars(trainable),
                scalars(all),
                run.shown());
    }

    /** Those of the whole model, where this rank has slices. */
    private static long scalars(Collection<Parameter> parameters) {
        return parameters.stream()
                .mapToLong(parameter -> Arrays.stream(parameter.wholeShape()).reduce(1, (left, right) -> left * right))
                .sum();
    }
}
