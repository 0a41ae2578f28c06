package org.finetune4j.train;

import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Set;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.optimizer.AveragingProvider;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;

/** Makes the optimizer that arguments ask for, with the groups that transformers' Trainer makes. */
final class Optimizers {

    private Optimizers() {}

    static Optimizer of(
            DecoderModel network,
            AttachedStrategy strategy,
            TrainingArguments arguments,
            Membership membership,
            Offload offload) {
        Collection<Parameter> trainable = strategy.trainableParameters();
        List<ParameterGroup> groups = arguments.decayNormsAndBiases()
                ? ParameterGroup.all(trainable, arguments.weightDecay())
                : ParameterGroup.withoutNormsAndBiases(network, trainable, arguments.weightDecay());
        OptimizerProvider provider = provider(arguments);
        Optimizer optimizer = membership.optimizer(
                provider,
                ParameterGroup.byLearningRate(groups, strategy.trainingHooks()::learningRateFactor),
                tables(network),
                arguments.optimizer());
        offload.attach(optimizer, provider, arguments.optimizer());
        return optimizer;
    }

    private static OptimizerProvider provider(TrainingArguments arguments) {
        OptimizerProvider named = OptimizerProvider.named(arguments.optimizer().name());
        return arguments.emaDecay() > 0 ? new AveragingProvider(named, arguments.emaDecay()) : named;
    }

    /** States are saved by names, and those of a second adapter on a model are the first one's: they get a number. */
    static void nameApart(List<Parameter> trainable) {
        Set<String> taken = new HashSet<>();
        for (Parameter parameter : trainable) {
            String name = parameter.name();
            for (int i = 2; !taken.add(parameter.name()); i++) {
                parameter.rename(name + "#" + i);
            }
        }
    }

    /** The weights that have a row for every word of the vocabulary. */
    static Set<Parameter> tables(DecoderModel network) {
        Set<Parameter> tables = Collections.newSetFromMap(new IdentityHashMap<>());
        tables.addAll(network.inputEmbedding().allParameters());
        tables.addAll(network.outputLayer().allParameters());
        return tables;
    }
}
