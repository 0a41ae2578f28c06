package org.finetune4j.train;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.BatchIterator;
import org.finetune4j.data.BatchSampler;
import org.finetune4j.data.DataLoader;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.TrainingHooks;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.StepRunner.Gradients;
import org.finetune4j.train.StepRunner.StepBatches;
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
    private final @Nullable CheckpointDirectory checkpoints;
    private final long started = System.nanoTime();
    private TrainingProgress progress = TrainingProgress.start();
    private double lastLoss = Double.NaN;
    private long tokens;
    private long lastSaved = -1;
    private boolean interrupted;

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
        this.fingerprint = RunFingerprint.of(trainer.dataset(), arguments);
        this.best = new BestModel(arguments.selection(), output, trainer.strategy());
    }

    TrainingSummary execute() {
        Torch.seed(arguments.seed());
        SamplePreview preview = trainer.preview();
        if (preview != null) {
            preview.before();
        }
        hooks.beforeTraining(plan.totalSteps());
        resumeOrStart();
        lastSaved = progress.step();
        trainer.listener()
                .onStart(TrainingPlans.of(
                        trainer.model().network(),
                        trainable,
                        arguments,
                        plan,
                        progress.step(),
                        trainer.configuration()));
        if (trainer.evaluator() != null && progress.step() == 0) {
            trainer.listener().onEvaluation(trainer.evaluate(0));
        }
        while (goesOn()) {
            runEpoch();
        }
        interrupted = progress.step() < plan.totalSteps() && !best.isExhausted(progress);
        saveCheckpoint();
        if (!interrupted) {
            finish(preview);
        }
        Duration elapsed = elapsed();
        return new TrainingSummary(
                progress.step(),
                lastLoss,
                progress.bestEvaluationLoss(),
                elapsed,
                tokens / Math.max(1e-9, elapsed.toNanos() / 1e9),
                interrupted);
    }

    /** Puts the weights that the run gives in place: the average, or the best. */
    private void finish(@Nullable SamplePreview preview) {
        if (average.isOn()) {
            average.swap();
        }
        if (arguments.selection().loadBestAtEnd() && best.exists()) {
            best.load();
        }
        if (preview != null) {
            trainer.listener().onSamples(preview.after());
        }
    }

    private boolean goesOn() {
        return progress.step() < plan.totalSteps() && !trainer.isStopRequested() && !best.isExhausted(progress);
    }

    private void resumeOrStart() {
        if (checkpoints == null) {
            return;
        }
        Optional<Path> latest = checkpoints.latest();
        if (latest.isPresent() && !arguments.resume()) {
            throw new UserErrorException(
                    arguments.outputDirectory() + " holds " + latest.get().getFileName()
                            + " of an earlier run: resume it (resume_from_checkpoint=true) or choose another directory");
        }
        if (latest.isPresent()) {
            progress = CheckpointDirectory.restore(latest.get(), fingerprint, trainer.strategy(), optimizer, average);
            LOG.info("resuming from {}", latest.get());
        }
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
                if (isDue(arguments.evalSteps(), epochEnds || runEnds)) {
                    evaluate();
                }
                if (isDue(arguments.saveSteps(), epochEnds)) {
                    saveCheckpoint();
                }
            }
        }
    }

    private boolean isDue(long everySteps, boolean atBoundary) {
        return everySteps > 0 ? progress.step() % everySteps == 0 : atBoundary;
    }

    /** Whether the step was done; it is not when a stop was asked for in its middle. */
    private boolean runStep(BatchIterator iterator) {
        StepEvent event = new StepEvent();
        event.begin();
        long stepStarted = System.nanoTime();
        byte[] randomState = Torch.randomState();
        long step = progress.step() + 1;
        StepBatches batches = steps.read(iterator, plan.batchesOfStep(progress.batch()), step);
        Gradients gradients = steps.run(batches);
        if (gradients == null) {
            optimizer.clearGradients();
            Torch.setRandomState(randomState);
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
        optimizer.step(learningRate);
        hooks.afterUpdate(progress.step());
        optimizer.clearGradients();
        average.update();
        lastLoss = gradients.loss();
        tokens += batches.tokens();
        progress = progress.advance(batches.batches().size(), plan.batchesPerEpoch());
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
                batches.labelled(),
                batches.tokens() / (nanoseconds / 1e9),
                elapsed(),
                Duration.ofNanos(batches.waited()));
    }

    /** Saves the state before the step, if that is still good, and says where the first bad number is. */
    private UserErrorException notFinite(
            Gradients gradients, StepBatches batches, double learningRate, byte[] randomState) {
        Optional<NonFiniteSource> weights = NonFiniteSource.inWeights(trainer.model(), trainable);
        String kept = "";
        if (checkpoints != null && weights.isEmpty()) {
            // Before anything else is tried with such numbers.
            Torch.setRandomState(randomState);
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
        average.swap();
        EvaluationMetrics metrics = trainer.evaluate(progress.step());
        progress = best.consider(progress, metrics);
        average.swap();
        trainer.listener().onEvaluation(metrics);
    }

    private void saveCheckpoint() {
        if (checkpoints == null || progress.step() == lastSaved) {
            return;
        }
        Path written = checkpoints.write(
                progress, fingerprint, trainer.strategy(), optimizer, average, arguments.saveTotalLimit());
        lastSaved = progress.step();
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
