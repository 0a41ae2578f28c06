package org.finetune4j.train;

import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Parameter;
import org.finetune4j.train.arguments.TrainingArguments;
import org.jspecify.annotations.Nullable;

/** Counts what a run will train, for those who are told of its start. */
final class TrainingPlans {

    private TrainingPlans() {}

    static TrainingPlan of(
            DecoderModel network,
            List<Parameter> trainable,
            TrainingArguments arguments,
            StepPlan steps,
            long startStep,
            Map<String, @Nullable Object> configuration) {
        Set<Parameter> all = Collections.newSetFromMap(new IdentityHashMap<>());
        all.addAll(network.allParameters());
        all.addAll(trainable);
        Path output = arguments.outputDirectory();
        Path name = output == null ? null : output.toAbsolutePath().getFileName();
        return new TrainingPlan(
                name == null ? "training" : name.toString(),
                steps.totalSteps(),
                steps.totalEpochs(),
                startStep,
                scalars(trainable),
                scalars(all),
                configuration);
    }

    private static long scalars(Collection<Parameter> parameters) {
        return parameters.stream().mapToLong(parameter -> parameter.numel()).sum();
    }
}
