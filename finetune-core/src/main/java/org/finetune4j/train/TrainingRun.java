package org.finetune4j.train;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.TrainingHooks;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.ThreadCount;
import org.finetune4j.train.StepRunner.Gradients;
import org.finetune4j.train.arguments.StepInterval;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.event.DataWaitEvent;
import org.finetune4j.train.event.StepEvent;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.health.NonFiniteSource;
import org.finetune4j.train.health.TrainingStatistics;
import org.finetune4j.train.steps.StepBatch;
import org.finetune4j.train.steps.StepBatches;
import org.finetune4j.train.steps.StepOutcome;
import org.finetune4j.train.steps.StepSetup;
import org.finetune4j.train.steps.StepSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The state of one {@link Trainer#train} call: the loop over steps. */
final class TrainingRun implements AutoCloseable {

    private static final Logger LOG = LoggerFactory.getLogger(TrainingRun.class);

    private final RunConfiguration configuration;
    private final TrainingListener listener;
    private final Membership membership;
    private final BooleanSupplier stopRequested;
    private final BooleanSupplier stopWithinStep;
    private final TrainingArguments arguments;
    private final CausalLM model;
    private final List<Parameter> trainable;
    private final TrainingHooks hooks;
    private final StepSource source;
    private final long totalSteps;
    private final RunState state;
    private final StepRunner steps;
    private final BestModel best;
    private final RandomGenerator random = RandomGenerator.current();
    private final RunCheckpoints checkpoints;
    private final long started = System.nanoTime();
    private TrainingProgress progress = TrainingProgress.start();
    private long tokens;

    private TrainingRun(
            RunConfiguration configuration,
            TrainingListener listener,
            BooleanSupplier stopRequested,
            StepSource source,
            Offload offload) {
        this.configuration = configuration;
        this.listener = listener;
        this.membership = configuration.membership();
        this.stopRequested = stopRequested;
        this.stopWithinStep = withinStep(membership, stopRequested);
        this.source = source;
        this.arguments = configuration.arguments();
        this.model = configuration.model();
        AttachedStrategy strategy = configuration.strategy();
        this.trainable = List.copyOf(strategy.trainableParameters());
        Optimizers.nameApart(trainable);
        this.hooks = strategy.trainingHooks();
        this.totalSteps = totalSteps(source, arguments);
        String fingerprint = RunFingerprint.of(source, arguments);
        Evaluation evaluation = configuration.evaluation();
        String heldOut = evaluation == null ? "no held-out samples" : evaluation.fingerprint();
        this.best = new BestModel(arguments.selection(), arguments.outputDirectory(), strategy, fingerprint, heldOut);
        this.state = new RunState(
                strategy, Optimizers.of(model.network(), strategy, arguments, membership, offload), source);
        this.checkpoints = new RunCheckpoints(arguments, membership, fingerprint, state, best, listener);
        this.steps =
                new StepRunner(model, trainable, state, arguments, membership, stopWithinStep, listener::onWarning);
    }

    /**
     * Runs a training from its beginning, or from its last checkpoint, to its end.
     *
     * @param listener is told what happens, but for the end
     * @param stopRequested whether the run is to stop
     */
    static TrainingSummary execute(
            RunConfiguration configuration, TrainingListener listener, BooleanSupplier stopRequested) {
        StepSetup setup = new StepSetup(
                configuration.model(),
                configuration.strategy(),
                configuration.arguments(),
                configuration.membership(),
                configuration.membership().isFirst(),
                withinStep(configuration.membership(), stopRequested),
                listener::onWarning);
        RandomGenerator random = RandomGenerator.of(configuration.arguments().seed());
        try (CausalLM.Entry training = configuration.model().beginTraining();
                ThreadCount.Hold threads = ThreadCount.hold();
                RandomGenerator.Use use = random.use();
                CausalLM.Residence residence = configuration.model().with(configuration.residencies());
                Offload offload = Offload.of(configuration.arguments().offload(), parameters(configuration));
                CausalLM.Residence offloaded = configuration.model().with(offload.residencies());
                CausalLM.Residence ofGroup =
                        configuration.model().with(configuration.membership().residencies());
                StepSource source = configuration.steps().open(setup);
                TrainingRun run = new TrainingRun(configuration, listener, stopRequested, source, offload)) {
            return run.run();
        }
    }

    private static Collection<Parameter> parameters(RunConfiguration configuration) {
        List<Parameter> all = new ArrayList<>(configuration.model().network().allParameters());
        all.addAll(configuration.strategy().trainableParameters());
        return all;
    }

    private static BooleanSupplier withinStep(Membership membership, BooleanSupplier stopRequested) {
        return () -> membership.stopsWithinStep(stopRequested.getAsBoolean());
    }

    private static long totalSteps(StepSource source, TrainingArguments arguments) {
        long limit = arguments.maxSteps() > 0 ? arguments.maxSteps() : Long.MAX_VALUE;
        OptionalLong own = source.totalSteps();
        if (own.isEmpty() && limit == Long.MAX_VALUE) {
            throw new UserErrorException("set max_steps: these steps go on for as long as they are asked for");
        }
        return Math.min(limit, own.orElse(limit));
    }

    private TrainingSummary run() {
        Optional<Path> checkpoint = checkpoints.latest();
        checkpoint.ifPresent(latest -> progress = adopt(checkpoints.reopen(latest)));
        long startStep = progress.step();
        checkpoints.requireRoom(startStep, totalSteps);
        // A run that is complete is not shown again: what its reports hold stays.
        SamplePreview preview = goesOn() ? configuration.preview() : null;
        if (preview != null) {
            preview.before();
        }
        hooks.beforeTraining(totalSteps);
        checkpoint.ifPresent(checkpoints::restore);
        checkpoints.begin(startStep);
        listener.onStart(TrainingPlans.of(configuration, trainable, totalSteps, source.totalEpochs(), startStep));
        Evaluation evaluation = configuration.evaluation();
        if (evaluation != null && !arguments.evaluation().equals(StepInterval.NEVER) && startStep == 0) {
            listener.onEvaluation(evaluation.evaluate(0));
        }
        while (goesOn() && runStep()) {
            // on to the next
        }
        return end(preview, startStep);
    }

    private TrainingSummary end(@Nullable SamplePreview preview, long startStep) {
        RunEnd end = RunEnd.of(source, progress, totalSteps, best);
        EndReason reason = end.reason();
        if (reason == EndReason.INTERRUPTED || !arguments.checkpoints().equals(StepInterval.NEVER)) {
            checkpoints.save(progress);
        } else {
            // There is no checkpoint that an earlier best belongs to.
            membership.onFirst(others -> best.checkpointed());
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
                end.explain(startStep > 0 && startStep == progress.step()));
    }

    /** Goes on from the progress of a checkpoint, as far as it still holds. */
    private TrainingProgress adopt(TrainingProgress saved) {
        List<String> warnings = new ArrayList<>();
        TrainingProgress[] found = new TrainingProgress[1];
        membership.onFirst(others -> found[0] = best.adopt(saved, warnings::add));
        // The first rank has tidied up: the others find what it found.
        TrainingProgress adopted = found[0] == null ? best.adopt(saved, warnings::add) : found[0];
        boolean bestIsLost = saved.best() != null && adopted.best() == null;
        if (bestIsLost && arguments.selection().loadBestAtEnd() && !isToGoOn(adopted)) {
            throw new UserErrorException(warnings.get(0)
                    + "; but the run is complete: give it more steps, or set load_best_model_at_end to false");
        }
        warnings.forEach(listener::onWarning);
        return adopted;
    }

    /** Puts the weights that the run gives in place: the average, or the best. */
    private void finish(@Nullable SamplePreview preview) {
        swapAverage();
        if (arguments.selection().loadBestAtEnd()) {
            best.load(progress, listener::onWarning);
        }
        if (preview != null) {
            listener.onSamples(preview.after());
        }
    }

    private boolean goesOn() {
        return isToGoOn(progress) && !membership.stops(stopRequested.getAsBoolean());
    }

    private boolean isToGoOn(TrainingProgress reached) {
        return reached.step() < totalSteps
                && !best.isExhausted(reached)
                && source.end().isEmpty();
    }

    /** Whether the step was done; it is not when a stop was asked for in its middle. */
    private boolean runStep() {
        StepEvent event = new StepEvent();
        event.begin();
        long started = System.nanoTime();
        double epochBefore = source.epoch();
        Optional<StepBatches> batches = read();
        if (batches.isEmpty() || !runStep(batches.get(), event, started, System.nanoTime() - started)) {
            return false;
        }
        boolean epochEnds = Math.floor(source.epoch()) > Math.floor(epochBefore);
        boolean measured = configuration.evaluation() != null && isDue(arguments.evaluation(), epochEnds);
        if (measured || progress.step() == totalSteps) {
            steps.expertLoad(progress.step()).ifPresent(listener::onExpertLoad);
        }
        if (isDue(arguments.evaluation(), epochEnds || progress.step() == totalSteps)) {
            evaluate();
        }
        if (isDue(arguments.checkpoints(), epochEnds)) {
            checkpoints.save(progress);
        }
        return true;
    }

    /**
     * @param event that began when it was asked for its batches
     * @param started when it was asked for its batches
     * @param waited nanoseconds that they took to come
     */
    private boolean runStep(StepBatches batches, StepEvent event, long started, long waited) {
        double learningRate = learningRate();
        // Nobody frees the weights between the gradients and the update.
        try (CausalLM.Entry entry = model.enter()) {
            Gradients gradients = update(batches, learningRate);
            if (gradients == null) {
                return false;
            }
            source.updated(
                    new StepOutcome(progress.step() + 1, gradients.loss(), gradients.norm(), gradients.metrics()));
            progress = progress.advance(gradients.loss());
            tokens += batches.tokens();
            event.step = progress.step();
            event.loss = gradients.loss();
            event.gradientNorm = gradients.norm();
            event.learningRate = learningRate;
            event.tokens = batches.tokens();
            event.commit();
            listener.onStep(metrics(gradients, batches.tokens(), learningRate, System.nanoTime() - started, waited));
            return true;
        }
    }

    private boolean isDue(StepInterval interval, boolean atBoundary) {
        return interval.isDue(progress.step(), totalSteps, atBoundary);
    }

    /** The batches of the next step; none when a stop was asked for. Where they cannot be had, the state so far is saved. */
    private Optional<StepBatches> read() {
        Map<String, byte[]> randomState = random.state();
        DataWaitEvent event = new DataWaitEvent();
        event.begin();
        try {
            Optional<StepBatches> next = source.next();
            event.step = progress.step() + 1;
            event.batches = next.map(step -> step.batches().size()).orElse(0);
            event.commit();
            if (next.isEmpty()) {
                if (!stopWithinStep.getAsBoolean()) {
                    throw new IllegalStateException(source + " gave no batches, though nobody asked it to stop");
                }
                random.restore(randomState);
            }
            return next;
        } catch (UserErrorException e) {
            random.restore(randomState);
            throw new UserErrorException(e.getMessage() + checkpoints.saveBeforeStep(progress), e);
        } catch (RuntimeException e) {
            if (membership.ranks() == 1) { // of a group, this may be a rank that is gone: nobody can save with it
                random.restore(randomState);
                saveAfter(e);
            }
            throw e;
        }
    }

    /** Saves what was reached before something of the user's failed, which is what counts if that fails too. */
    private void saveAfter(RuntimeException failure) {
        try {
            LOG.error("{}{}", failure, checkpoints.saveBeforeStep(progress));
        } catch (RuntimeException e) {
            failure.addSuppressed(e);
        }
    }

    /** Follows the gradients; null when a stop was asked for before they were complete. */
    private @Nullable Gradients update(StepBatches batches, double learningRate) {
        Map<String, byte[]> randomState = random.state();
        Gradients gradients = steps.run(batches, progress.step() + 1, learningRate);
        if (gradients == null) {
            state.optimizer().clearGradients();
            random.restore(randomState);
            return null;
        }
        if (!gradients.isFinite()) {
            throw notFinite(gradients, batches, learningRate, randomState);
        }
        steps.update(gradients, batches, progress.step() + 1, learningRate, listener::onStatistics);
        return gradients;
    }

    private double learningRate() {
        return arguments.learningRate()
                * arguments.schedule().factor(progress.step(), arguments.warmupStepsOf(totalSteps), totalSteps);
    }

    private StepMetrics metrics(
            Gradients gradients, long stepTokens, double learningRate, long nanoseconds, long waited) {
        Map<String, Double> measured = new LinkedHashMap<>(gradients.metrics());
        measured.putAll(source.metrics());
        return new StepMetrics(
                progress.step(),
                totalSteps,
                source.epoch(),
                gradients.loss(),
                learningRate,
                gradients.norm(),
                stepTokens,
                gradients.counted(),
                stepTokens / (nanoseconds / 1e9),
                elapsed(),
                Duration.ofNanos(waited),
                measured);
    }

    /** Saves the state before the step, if that is still good, and says where the first bad number is. */
    private DivergedException notFinite(
            Gradients gradients, StepBatches batches, double learningRate, Map<String, byte[]> randomState) {
        Optional<NonFiniteSource> weights = nonFiniteWeight();
        String kept = checkpoints.lastGood();
        if (weights.isEmpty() && !steps.hasMoved()) {
            // Before anything else is tried with such numbers.
            random.restore(randomState);
            kept = checkpoints.saveBeforeStep(progress);
        }
        // Of some gradients a rank has a part, or nothing: all ranks ask, whatever they find elsewhere.
        Map<String, TrainingStatistics.Size> sizes = membership.gradientSizes(trainable);
        NonFiniteSource place = weights.orElseGet(() -> NonFiniteSource.inResults(
                model, sizes, batches.batches().stream().map(StepBatch::batch).toList()));
        state.optimizer().clearGradients();
        return new DivergedException("step " + (progress.step() + 1) + ": the loss is " + gradients.loss()
                + " and the gradient norm " + gradients.norm() + ": the first number that is none is in "
                + place.place() + kept + "; lower learning_rate (now " + learningRate + ")");
    }

    /** Ranks may have other weights than the first one, which asks for them: what it finds, all go by. */
    private Optional<NonFiniteSource> nonFiniteWeight() {
        List<NonFiniteSource> found = new ArrayList<>();
        membership.onFirst(others -> NonFiniteSource.inWeights(model, trainable).ifPresent(found::add));
        boolean any = membership.ofFirst(found.size())[0] > 0;
        return !any
                ? Optional.empty()
                : Optional.of(found.isEmpty() ? new NonFiniteSource("a weight", true) : found.get(0));
    }

    private void evaluate() {
        Evaluation evaluation = configuration.evaluation();
        if (evaluation == null) {
            return;
        }
        swapAverage();
        EvaluationMetrics metrics = evaluation.evaluate(progress.step()).ofFirst(membership);
        TrainingProgress considered = best.consider(progress, metrics);
        membership.onFirst(others -> best.save(progress, considered));
        progress = considered;
        swapAverage();
        listener.onEvaluation(metrics);
    }

    /** Exchanges the trained weights with their average, where the run or its optimizer keeps one. */
    private void swapAverage() {
        try (CausalLM.Entry entry = model.enter()) {
            state.optimizer().swapEvaluationWeights();
        }
    }

    private Duration elapsed() {
        return Duration.of(System.nanoTime() - started, TimeUnit.NANOSECONDS.toChronoUnit());
    }

    @Override
    public void close() {
        state.optimizer().clearGradients();
        state.optimizer().close();
    }
}
