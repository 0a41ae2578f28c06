package org.finetune4j.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SplittableRandom;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadBalancing;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.TrainingHooks;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.EmbeddingNoise;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.group.Pass;
import org.finetune4j.train.group.Share;
import org.finetune4j.train.health.ExpertLoad;
import org.finetune4j.train.health.TrainingStatistics;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.steps.StepBatch;
import org.finetune4j.train.steps.StepBatches;
import org.jspecify.annotations.Nullable;

/** One optimizer step: each of its batches forwards and backwards, then the update by what that gave. */
final class StepRunner {

    private final CausalLM model;
    private final List<Parameter> trainable;
    private final RunState run;
    private final TrainingHooks hooks;
    private final TrainingArguments arguments;
    private final Membership membership;
    private final Backpropagation backpropagation;
    private final ProductChoice products;
    private final BooleanSupplier stopRequested;
    private final @Nullable ExpertWatch experts;
    private final @Nullable UpdateInBackward inBackward;
    private final Consumer<String> warnings;

    /**
     * @param run what is updated, and where the batches come from
     * @param warnings is given one line for what is probably not meant
     */
    StepRunner(
            CausalLM model,
            List<Parameter> trainable,
            RunState run,
            TrainingArguments arguments,
            Membership membership,
            BooleanSupplier stopRequested,
            Consumer<String> warnings) {
        this.model = model;
        this.trainable = trainable;
        this.run = run;
        this.hooks = run.strategy().trainingHooks();
        this.arguments = arguments;
        this.membership = membership;
        this.products = ProductChoice.of(
                model.network(), arguments, membership, run.steps().commonLength());
        this.stopRequested = stopRequested;
        this.warnings = warnings;
        LoadBalancing routers = model.network().loadBalancing();
        this.experts = routers == null
                ? null
                : new ExpertWatch(model.network().layers().size(), routers.experts());
        Backpropagation plain = new Backpropagation(model, arguments.checkpointing())
                .with(arguments.segments())
                .with(new EmbeddingNoise(arguments.neftuneNoiseAlpha()));
        Backpropagation counting = experts == null ? plain : plain.with(experts.counts());
        this.inBackward = UpdateInBackward.of(model.network(), run.strategy(), run.optimizer(), arguments, membership);
        this.backpropagation = inBackward == null ? counting : counting.with(inBackward);
    }

    /**
     * What a step's batches gave; the gradients are in the parameters.
     *
     * @param loss the sum over objectives, each a mean over what it counts
     * @param norm of the gradients before clipping
     * @param counted what the first objective counts
     * @param metrics what the objectives measured
     */
    record Gradients(double loss, double norm, long counted, Map<String, Double> metrics) {

        boolean isFinite() {
            return Double.isFinite(loss) && Double.isFinite(norm);
        }
    }

    /**
     * Adds up the gradients; null when a stop was asked for before all batches were done. Where the arguments ask for it, parameters follow
     * them at once.
     *
     * @param number of the step, from 1
     * @param learningRate of the step
     * @throws UserErrorException when several batches are to be added up and parameters are to follow at once
     */
    @Nullable
    Gradients run(StepBatches step, long number, double learningRate) {
        Map<Objective, Long> counts = step.counts();
        List<Pass> passes = passes(step, counts, number);
        double penalty = 0;
        if (inBackward != null) {
            requireOne(passes);
            penalty = penalty();
            inBackward.begin(learningRate);
        }
        OptionalDouble own = membership.run(backpropagation, passes, stopRequested);
        if (own.isEmpty()) {
            return null;
        }
        Map<String, Average> measured = new LinkedHashMap<>();
        passes.forEach(pass -> Average.addAll(measured, pass.metrics()));
        Membership.Sums sums = membership.sum(own.getAsDouble(), measured);
        membership.reduceGradients();
        if (inBackward == null) {
            penalty = penalty();
        }
        Map<String, Double> metrics = new LinkedHashMap<>(Average.means(sums.metrics()));
        counts.keySet().forEach(objective -> objective.derive(metrics));
        if (experts != null) {
            metrics.putAll(experts.step(number, membership::sumOfParts, warnings));
        }
        return new Gradients(
                sums.loss() + penalty,
                inBackward == null ? membership.gradientNorm(trainable) : inBackward.finish(),
                counts.getOrDefault(step.batches().get(0).objective(), 0L),
                metrics);
    }

    private double penalty() {
        try (MatrixProducts.Mode products = MatrixProducts.by(MatrixProducts.Choice.MKL)) {
            return hooks.penalty(true);
        }
    }

    private static void requireOne(List<Pass> passes) {
        if (passes.size() > 1) {
            throw new UserErrorException(
                    "optimizer_in_backward frees each gradient before the next one is there, and this step adds up "
                            + passes.size() + " batches: leave it out");
        }
    }

    /** {@return whether the step that ran last has changed weights before it was known whether all is well} */
    boolean hasMoved() {
        return inBackward != null && inBackward.hasMoved();
    }

    /** Where routers have sent tokens since this was last asked for; empty for a model that has none. */
    Optional<ExpertLoad> expertLoad(long step) {
        return Optional.ofNullable(experts).map(watch -> watch.report(step));
    }

    /** This rank's, each normalised by what the whole step counts. */
    private List<Pass> passes(StepBatches step, Map<Objective, Long> counts, long number) {
        List<Pass> passes = new ArrayList<>();
        long[] seedOfBatch = seeds(number).longs(step.batches().size()).toArray();
        for (Share.Turn turn :
                Share.of(step, membership.dataRank(), membership.dataRanks()).turns()) {
            StepBatch part = turn.part();
            double scale = part.weight() / Math.max(1, counts.getOrDefault(part.objective(), 0L));
            long seed = seedOfBatch[turn.number()];
            passes.add(new Pass(model.network(), turn, scale, products.of(part, step), membership::sum, seed));
        }
        return passes;
    }

    /** Mixed after each addition: runs with neighbouring seeds have no numbers in common, nor have neighbouring steps. */
    private SplittableRandom seeds(long number) {
        long ofRun = new SplittableRandom(arguments.seed()).nextLong();
        return new SplittableRandom(new SplittableRandom(ofRun + number).nextLong());
    }

    /**
     * Follows the gradients, unless that is done already, which are scaled down to the largest norm allowed, and drops them.
     *
     * @param step number of the step, from 1
     * @param statistics is told of gradients and activations where the arguments ask for it
     */
    void update(
            Gradients gradients,
            StepBatches batches,
            long step,
            double learningRate,
            Consumer<TrainingStatistics> statistics) {
        if (arguments.statisticsSteps() > 0 && step % arguments.statisticsSteps() == 0) {
            StepBatch first = batches.batches().get(0);
            first.prepare().run();
            statistics.accept(
                    TrainingStatistics.measure(step, membership.gradientSizes(trainable), model, first.batch()));
        }
        if (arguments.maxGradNorm() > 0) {
            membership.scaleGradients(trainable, gradients.norm(), arguments.maxGradNorm());
        }
        try (MatrixProducts.Mode products = MatrixProducts.by(MatrixProducts.Choice.MKL)) {
            if (inBackward == null) {
                hooks.shapeGradients();
                run.optimizer().step(learningRate);
            }
            hooks.afterUpdate(step - 1);
        }
        run.optimizer().clearGradients();
        run.optimizer().finishStep();
    }
}
