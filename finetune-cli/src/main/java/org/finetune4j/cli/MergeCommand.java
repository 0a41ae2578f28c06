package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.finetune4j.OutputPath;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.merge.AdapterMerge;
import org.finetune4j.peft.merge.CheckpointMerge;
import org.finetune4j.peft.merge.CombinationType;
import org.finetune4j.peft.merge.LoraCombination;
import org.finetune4j.peft.merge.MajoritySign;
import org.finetune4j.peft.merge.MergeMethod;
import org.finetune4j.peft.merge.MergeSettings;
import org.finetune4j.strategy.Adapter;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes one of several: an adapter and its base, several adapters, or several models. */
@Command(
        name = "merge",
        mixinStandardHelpOptions = true,
        description = {
            "Folds an adapter into its base (--model and --adapter), makes one adapter of several (--adapters),"
                    + " or one model of several (--models), and writes it."
        })
final class MergeCommand implements Callable<Integer> {

    @ArgGroup(exclusive = false, heading = "An adapter and its base:%n")
    private @Nullable ModelOptions model;

    @Option(
            names = "--adapters",
            arity = "1..*",
            paramLabel = "DIR",
            description = "Adapters of one method on one base, to become one adapter.")
    private @Nullable List<Path> adapters;

    @Option(
            names = "--models",
            arity = "1..*",
            paramLabel = "DIR",
            description = "Models of one architecture, to become one model.")
    private @Nullable List<Path> models;

    @Option(
            names = "--base",
            paramLabel = "DIR",
            description = "What the --models were fine-tuned from; all methods but linear and slerp need it.")
    private @Nullable Path base;

    @Option(
            names = "--method",
            defaultValue = "linear",
            paramLabel = "NAME",
            description = "Adapters: linear, cat, svd, ties, dare_linear, dare_ties, magnitude_prune, and the last four"
                    + " with _svd. Models: linear, task_arithmetic, ties, dare_linear, dare_ties, magnitude_prune, slerp"
                    + " (default: ${DEFAULT-VALUE}).")
    private String method;

    @Option(
            names = "--weights",
            split = ",",
            paramLabel = "W",
            description = "One number for each, such as 0.7,0.3 (default: equal ones that add up to 1 for linear, cat"
                    + " and svd, else 1 each).")
    private double @Nullable [] weights;

    @Option(
            names = "--density",
            defaultValue = "0.5",
            paramLabel = "D",
            description = "Share of values that ties, dare and magnitude_prune keep (default: ${DEFAULT-VALUE}).")
    private double density;

    @Option(
            names = "--majority-sign",
            defaultValue = "total",
            paramLabel = "NAME",
            description = "How ties elects a sign: total or frequency (default: ${DEFAULT-VALUE}).")
    private MajoritySign majoritySign;

    @Option(
            names = "--lambda",
            defaultValue = "1",
            paramLabel = "L",
            description = "What the merged task vector of models is multiplied by (default: ${DEFAULT-VALUE}).")
    private double lambda;

    @Option(
            names = "--t",
            defaultValue = "0.5",
            paramLabel = "T",
            description = "Where slerp stops between two models: 0 is the first, 1 the second.")
    private double t;

    @Option(
            names = "--rank",
            defaultValue = "0",
            paramLabel = "N",
            description = "Rank of the result of svd (default: the largest of the adapters).")
    private int rank;

    @Option(names = "--seed", defaultValue = "0", paramLabel = "N", description = "Of what dare drops.")
    private long seed;

    @Option(names = "--output", required = true, paramLabel = "DIR", description = "Where to write the result.")
    private Path output;

    @Mixin
    private QuantisedBaseOutput quantised;

    @Override
    public Integer call() {
        int given = (model == null ? 0 : 1) + (adapters == null ? 0 : 1) + (models == null ? 0 : 1);
        if (given != 1) {
            throw new UserErrorException(
                    "there is nothing to merge: name one of --model with --adapter, --adapters, and --models");
        }
        if (model == null) {
            quantised.refuse();
        }
        if (model != null) {
            fold(model);
        } else if (adapters != null) {
            CombinationType type = CombinationType.parse(method);
            AdapterMerge.write(
                    adapters,
                    weights(adapters.size(), List.of("linear", "cat", "svd").contains(method)),
                    new LoraCombination(type, density, majoritySign, seed, rank),
                    output);
        } else if (models != null) {
            MergeMethod type = MergeMethod.parse(method);
            double[] used = weights(models.size(), type == MergeMethod.LINEAR);
            CheckpointMerge.write(
                    models, base, type, new MergeSettings(used, density, majoritySign, lambda, t, seed), output);
        }
        System.out.println(output);
        return 0;
    }

    private double[] weights(int count, boolean mean) {
        if (weights != null) {
            return weights;
        }
        double[] equal = new double[count];
        Arrays.fill(equal, mean ? 1.0 / count : 1);
        return equal;
    }

    private void fold(ModelOptions folded) {
        OutputPath.requireOther(output, folded.directories());
        try (CausalLM loaded = folded.load();
                Adapter adapter = folded.attachAdapter(loaded, false)) {
            if (adapter == null) {
                throw new UserErrorException("there is nothing to merge: name an adapter with --adapter");
            }
            quantised.check(loaded);
            adapter.merge();
            quantised.write(loaded, output);
        }
    }
}
