package org.finetune4j.train;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.BatchIterator;
import org.finetune4j.data.BatchSampler;
import org.finetune4j.data.DataLoader;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.TrainingHooks;
import org.finetune4j.tensor.MatrixProducts;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.ThreadCount;
import org.finetune4j.train.StepRunner.Gradients;
import org.finetune4j.train.StepRunner.StepBatches;
import org.finetune4j.train.arguments.StepInterval;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.event.StepEvent;
import org.finetune4j.train.health.NonFiniteSource;
import org.finetune4j.train.health.TrainingStatistics;
import org.finetune4j.train.optimizer.Optimizer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The state of one {@link Trainer#train} call: the loop over epochs and steps. */
final class TrainingRun implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(TrainingRun.class);

    private final Trainer trainer;
    private final TrainingArguments arguments;
    private final List<Parameter> trainable;
    private final Optimizer optimizer;
    private final WeightAverage average;
    private final TrainingHooks hooks;
    private final StepRunner steps;
    private final DataLoader loader;
    private final StepPlan plan;
    private final BestModel best;
    private final String fingerprint;
    private final RandomGenerator random;
    private final @Nullable CheckpointDirectory checkpoints;
    private final long started = System.nanoTime();
    private TrainingProgress progress = TrainingProgress.start();
    private long tokens;
    private long lastSaved = -1;

    TrainingRun(Trainer trainer) {
        this.trainer = trainer;
        this.arguments = trainer.arguments();
        this.trainable = List.copyOf(trainer.strategy().trainableParameters());
        this.optimizer = Optimizers.of(trainer.model().network(), trainer.strategy(), arguments);
        this.average = new WeightAverage(trainable, arguments.emaDecay());
        this.hooks = trainer.strategy().trainingHooks();
        this.steps = new StepRunner(
                trainer.model(),
                trainable,
                hooks,
                trainer.objective(),
                arguments,
                trainer.dataset().commonLength(),
                trainer::isStopRequested);
        this.loader = new DataLoader(
                trainer.dataset(),
                BatchSampler.training(
                        trainer.dataset(), arguments.perDeviceTrainBatchSize(), arguments.seed(), arguments.shuffle()),
                trainer.collator(),
                arguments.dataloaderNumWorkers(),
                arguments.dataloaderPrefetchFactor());
        this.plan = StepPlan.of(arguments, loader.batchesPerEpoch());
        Path output = arguments.outputDirectory();
        this.checkpoints = output == null ? null : new CheckpointDirectory(output);
        this.random = RandomGenerator.of(arguments.seed());
        this.fingerprint = RunFingerprint.of(trainer.dataset(), arguments);
        this.best = new BestModel(
                arguments.selection(),
                output,
                trainer.strategy(),
                fingerprint,
                RunFingerprint.heldOut(trainer.evaluationDataset(), arguments.selection()));
    }

    TrainingSummary execute() {
        try (ThreadCount.Hold threads = ThreadCount.hold();
                RandomGenerator.Use use = random.use();
                CausalLM.Residence residence = trainer.model().with(trainer.residencies())) {
            return run();
        }
    }

    private TrainingSummary run() {
        Optional<Path> checkpoint = checkpoints == null ? Optional.empty() : checkpoints.latest();
        checkpoint.ifPresent(latest ->
                progress = adopt(CheckpointDirectory.progressOf(latest, fingerprint, plan.batchesPerEpoch())));
        long startStep = progress.step();
        if (checkpoints != null) {
            checkpoints.requireRoom(startStep, plan.totalSteps());
        }
        // A run that is complete is not shown again: what its reports hold stays.
        SamplePreview preview = goesOn() ? trainer.preview() : null;
        if (preview != null) {
            preview.before();
        }
        hooks.beforeTraining(plan.totalSteps());
        checkpoint.ifPresent(latest -> {
            CheckpointDirectory.restore(latest, trainer.strategy(), optimizer, average);
            LOG.info("resuming from {}", latest);
        });
        lastSaved = startStep;
        trainer.listener()
                .onStart(TrainingPlans.of(
                        trainer.model().network(), trainable, arguments, plan, startStep, trainer.configuration()));
        boolean measures =
                trainer.evaluator() != null && !arguments.evaluation().equals(StepInterval.NEVER);
        if (measures && startStep == 0) {
            trainer.listener().onEvaluation(trainer.evaluate(0));
        }
        while (goesOn()) {
            runEpoch();
        }
        EndReason reason = reason();
        if (reason == EndReason.INTERRUPTED || !arguments.checkpoints().equals(StepInterval.NEVER)) {
            saveCheckpoint();
        } else {
            best.checkpointed(); // there is no checkpoint that an earlier best belongs to
        }
        if (reason != EndReason.INTERRUPTED) {
            finish(preview);
        }
        Duration elapsed = elapsed();
        return new TrainingSummary(
                progress.step(),
                progress.lastLoss(),
                progress.bestEvaluationLoss(),
                elapsed,
                tokens / Math.max(1e-9, elapsed.toNanos() / 1e9),
                reason,
                explain(reason, startStep));
    }

    /** Goes on from the progress of a checkpoint, as far as it still holds. */
    private TrainingProgress adopt(TrainingProgress saved) {
        List<String> warnings = new ArrayList<>();
        TrainingProgress adopted = best.adopt(saved, warnings::add);
        boolean bestIsLost = saved.best() != null && adopted.best() == null;
        if (bestIsLost && arguments.selection().loadBestAtEnd() && !isToGoOn(adopted)) {
            throw new UserErrorException(warnings.get(0)
                    + "; but the run is complete: give it more steps, or set load_best_model_at_end to false");
        }
        warnings.forEach(trainer.listener()::onWarning);
        return adopted;
    }

    private EndReason reason() {
        if (progress.step() >= plan.totalSteps()) {
            return EndReason.COMPLETED;
        }
        return best.isExhausted(progress) ? EndReason.EARLY_STOPPING : EndReason.INTERRUPTED;
    }

    private String explain(EndReason reason, long startStep) {
        String why =
                switch (reason) {
                    case COMPLETED -> "all " + plan.totalSteps() + " steps are done";
                    case EARLY_STOPPING -> best.explain(progress);
                    case INTERRUPTED -> "stopped on request after step " + progress.step() + " of " + plan.totalSteps();
                };
        boolean nothingDone = reason != EndReason.INTERRUPTED && startStep > 0 && startStep == progress.step();
        return nothingDone ? why + "; the run was complete already, nothing was trained" : why;
    }

    /** Puts the weights that the run gives in place: the average, or the best. */
    private void finish(@Nullable SamplePreview preview) {
        swapAverage();
        if (arguments.selection().loadBestAtEnd()) {
            best.load(progress, trainer.listener()::onWarning);
        }
        if (preview != null) {
            trainer.listener().onSamples(preview.after());
        }
    }

    private boolean goesOn() {
        return isToGoOn(progress) && !trainer.isStopRequested();
    }

    private boolean isToGoOn(TrainingProgress reached) {
        return reached.step() < plan.totalSteps() && !best.isExhausted(reached);
    }

    /** Runs the rest of the present epoch, or as much of it as the run still needs. */
    private void runEpoch() {
        int epoch = progress.epoch();
        try (BatchIterator batches = loader.epoch(epoch, progress.batch())) {
            while (batches.hasNext() && goesOn()) {
                if (!runStep(batches)) {
                    return;
                }
                boolean epochEnds = progress.epoch() > epoch;
                boolean runEnds = progress.step() == plan.totalSteps();
                if (isDue(arguments.evaluation(), epochEnds || runEnds)) {
                    evaluate();
                }
                if (isDue(arguments.checkpoints(), epochEnds)) {
                    saveCheckpoint();
                }
            }
        }
    }

    private boolean isDue(StepInterval interval, boolean atBoundary) {
        return interval.isDue(progress.step(), plan.totalSteps(), atBoundary);
    }

    /** Whether the step was done; it is not when a stop was asked for in its middle. */
    private boolean runStep(BatchIterator iterator) {
        // Nobody frees the weights between the gradients and the update.
        try (CausalLM.Entry entry = trainer.model().enter()) {
            return stepInside(iterator);
        }
    }

    private boolean stepInside(BatchIterator iterator) {
        StepEvent event = new StepEvent();
        event.begin();
        long stepStarted = System.nanoTime();
        Map<String, byte[]> randomState = random.state();
        long step = progress.step() + 1;
        StepBatches batches = steps.read(iterator, plan.batchesOfStep(progress.batch()), step);
        Gradients gradients = steps.run(batches);
        if (gradients == null) {
            optimizer.clearGradients();
            random.restore(randomState);
            return false;
        }
        double learningRate = learningRate();
        if (!gradients.isFinite()) {
            throw notFinite(gradients, batches, learningRate, randomState);
        }
        if (arguments.statisticsSteps() > 0 && step % arguments.statisticsSteps() == 0) {
            trainer.listener()
                    .onStatistics(TrainingStatistics.measure(
                            step, trainer.model(), trainable, batches.batches().get(0)));
        }
        steps.clip(gradients);
        try (MatrixProducts.Mode products = MatrixProducts.ofShapes(false)) {
            optimizer.step(learningRate);
            hooks.afterUpdate(progress.step());
        }
        optimizer.clearGradients();
        average.update();
        tokens += batches.tokens();
        progress = progress.advance(batches.batches().size(), plan.batchesPerEpoch(), gradients.loss());
        event.step = step;
        event.loss = gradients.loss();
        event.gradientNorm = gradients.norm();
        event.learningRate = learningRate;
        event.tokens = batches.tokens();
        event.commit();
        trainer.listener().onStep(metrics(gradients, batches, learningRate, System.nanoTime() - stepStarted));
        return true;
    }

    private double learningRate() {
        return arguments.learningRate()
                * arguments
                        .schedule()
                        .factor(progress.step(), arguments.warmupStepsOf(plan.totalSteps()), plan.totalSteps());
    }

    private StepMetrics metrics(Gradients gradients, StepBatches batches, double learningRate, long nanoseconds) {
        return new StepMetrics(
                progress.step(),
                plan.totalSteps(),
                progress.epoch() + (double) progress.batch() / plan.batchesPerEpoch(),
                gradients.loss(),
                learningRate,
                gradients.norm(),
                batches.tokens(),
                batches.counted(),
                batches.tokens() / (nanoseconds / 1e9),
                elapsed(),
                Duration.ofNanos(batches.waited()));
    }

    /** Saves the state before the step, if that is still good, and says where the first bad number is. */
    private UserErrorException notFinite(
            Gradients gradients, StepBatches batches, double learningRate, Map<String, byte[]> randomState) {
        Optional<NonFiniteSource> weights = NonFiniteSource.inWeights(trainer.model(), trainable);
        String kept = "";
        if (checkpoints != null && weights.isEmpty()) {
            // Before anything else is tried with such numbers.
            random.restore(randomState);
            saveCheckpoint();
            kept = "; the state before this step is in checkpoint-" + lastSaved;
        } else if (lastSaved > 0) {
            kept = "; the last good state is in checkpoint-" + lastSaved;
        }
        NonFiniteSource source =
                weights.orElseGet(() -> NonFiniteSource.inResults(trainer.model(), trainable, batches.batches()));
        optimizer.clearGradients();
        return new UserErrorException("step " + (progress.step() + 1) + ": the loss is " + gradients.loss()
                + " and the gradient norm " + gradients.norm() + ": the first number that is none is in "
                + source.place() + kept + "; lower learning_rate (now " + learningRate + ")");
    }

    private void evaluate() {
        if (trainer.evaluator() == null) {
            return;
        }
        swapAverage();
        EvaluationMetrics metrics = trainer.evaluate(progress.step());
        progress = best.consider(progress, metrics);
        swapAverage();
        trainer.listener().onEvaluation(metrics);
    }

    private void swapAverage() {
        try (CausalLM.Entry entry = trainer.model().enter()) {
            average.swap();
        }
    }

    private void saveCheckpoint() {
        if (checkpoints == null || progress.step() == lastSaved) {
            return;
        }
        Path written = checkpoints.write(
                progress, fingerprint, trainer.strategy(), optimizer, average, arguments.saveTotalLimit());
        lastSaved = progress.step();
        best.checkpointed();
        trainer.listener().onCheckpoint(written, progress.step());
    }

    private Duration elapsed() {
        return Duration.of(System.nanoTime() - started, TimeUnit.NANOSECONDS.toChronoUnit());
    }

    @Override
    public void close() {
        optimizer.clearGradients();
        optimizer.close();
        average.close();
    }
}
