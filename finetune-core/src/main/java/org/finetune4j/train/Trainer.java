package org.finetune4j.train;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.BatchIterator;
import org.finetune4j.data.BatchSampler;
import org.finetune4j.data.Collator;
import org.finetune4j.data.DataLoader;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.optimizer.AdamW;
import org.finetune4j.train.optimizer.GradientClipping;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.finetune4j.train.optimizer.Sgd;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs a training: batches in a seeded order, accumulated gradients normalised by the labelled tokens of the whole
 * accumulated batch, clipping, optimizer and schedule, evaluation, checkpoints. A run that was killed and resumed ends with
 * the same weights as one that was not.
 *
 * <p>Everything happens on the calling thread, but for reading data ahead and {@link #requestStop()}.
 */
public final class Trainer {

    private static final Logger LOG = LoggerFactory.getLogger(Trainer.class);
    private static final String BEST = "best";

    private final CausalLM model;
    private final AttachedStrategy strategy;
    private final TrainingArguments arguments;
    private final TrainingDataset dataset;
    private final @Nullable TrainingDataset evaluationDataset;
    private final Collator collator;
    private final TrainingListener listener;
    private final Map<String, @Nullable Object> configuration = new LinkedHashMap<>();
    private final Backpropagation backpropagation;
    private @Nullable SamplePreview preview;
    private volatile boolean stopRequested;

    /**
     * @param strategy a method that is attached to {@code model}
     * @param evaluationDataset the held-out samples, or null to do without
     * @param listeners told in this order
     */
    public Trainer(
            CausalLM model,
            AttachedStrategy strategy,
            TrainingArguments arguments,
            TrainingDataset dataset,
            @Nullable TrainingDataset evaluationDataset,
            Collator collator,
            List<? extends TrainingListener> listeners) {
        this.model = model;
        this.strategy = strategy;
        this.arguments = arguments;
        this.dataset = dataset;
        this.evaluationDataset = evaluationDataset;
        this.collator = collator;
        this.listener = new ListenerChain(listeners);
        this.backpropagation = new Backpropagation(
                model,
                arguments.gradientCheckpointingLayers() == 0
                        ? GradientCheckpointing.none()
                        : GradientCheckpointing.every(arguments.gradientCheckpointingLayers()));
        this.configuration.putAll(arguments.describe());
    }

    /** Adds to the configuration that reports show, before the arguments. */
    public Trainer describe(Map<String, ? extends @Nullable Object> settings) {
        Map<String, @Nullable Object> all = new LinkedHashMap<>(settings);
        all.putAll(configuration);
        configuration.clear();
        configuration.putAll(all);
        return this;
    }

    /** Lets listeners see answers from before and after the run. */
    public Trainer preview(SamplePreview samplePreview) {
        preview = samplePreview;
        return this;
    }

    /** Asks the run to stop after the present step with a checkpoint to resume from. Any thread may ask. */
    public void requestStop() {
        stopRequested = true;
    }

    /**
     * Runs the training to its end.
     *
     * @throws UserErrorException when the output directory cannot be written, or holds a run that is not to be resumed
     * @throws org.finetune4j.FinetuneException when the loss is no longer a number
     */
    public TrainingSummary train() {
        try (Run run = new Run()) {
            TrainingSummary summary = run.execute();
            listener.onEnd(summary);
            return summary;
        } catch (RuntimeException | Error e) {
            listener.onFailure(e);
            throw e;
        }
    }

    /** Mean loss per labelled token over the held-out samples. */
    public EvaluationMetrics evaluate(long step) {
        if (evaluationDataset == null) {
            throw new IllegalStateException("this run has no held-out samples");
        }
        BatchSampler sampler = BatchSampler.sequential(evaluationDataset.size(), arguments.perDeviceEvalBatchSize());
        double loss = 0;
        long labelled = 0;
        try (BatchIterator batches = new DataLoader(evaluationDataset, sampler, collator).epoch(0)) {
            while (batches.hasNext()) {
                Batch batch = batches.next();
                loss += backpropagation.evaluate(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
                labelled += batch.labelledTokens();
            }
        }
        return new EvaluationMetrics(step, loss / Math.max(1, labelled), labelled, null);
    }

    /** The state of one {@link #train} call. */
    private final class Run implements AutoCloseable {

        private final List<Parameter> trainable = List.copyOf(strategy.trainableParameters());
        private final Optimizer optimizer = optimizer();
        private final DataLoader loader = new DataLoader(
                dataset,
                arguments.shuffle()
                        ? BatchSampler.shuffled(dataset.size(), arguments.perDeviceTrainBatchSize(), arguments.seed())
                        : BatchSampler.sequential(dataset.size(), arguments.perDeviceTrainBatchSize()),
                collator);
        private final StepPlan plan = StepPlan.of(arguments, loader.batchesPerEpoch());
        private final @Nullable CheckpointDirectory checkpoints =
                arguments.outputDirectory() == null ? null : new CheckpointDirectory(arguments.outputDirectory());
        private final long started = System.nanoTime();
        private TrainingProgress progress = TrainingProgress.start();
        private double lastLoss = Double.NaN;
        private long tokens;
        private long lastSaved = -1;

        TrainingSummary execute() {
            Torch.seed(arguments.seed());
            if (preview != null) {
                preview.before();
            }
            resumeOrStart();
            lastSaved = progress.step();
            listener.onStart(plan());
            if (evaluationDataset != null && progress.step() == 0) {
                listener.onEvaluation(evaluate(0));
            }
            while (progress.step() < plan.totalSteps() && !stopRequested) {
                runEpoch();
            }
            saveCheckpoint();
            if (preview != null) {
                listener.onSamples(preview.after());
            }
            Duration elapsed = elapsed();
            return new TrainingSummary(
                    progress.step(),
                    lastLoss,
                    progress.bestEvaluationLoss(),
                    elapsed,
                    tokens / Math.max(1e-9, elapsed.toNanos() / 1e9),
                    progress.step() < plan.totalSteps());
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
                progress = CheckpointDirectory.restore(latest.get(), fingerprint(), strategy, optimizer);
                LOG.info("resuming from {}", latest.get());
            }
        }

        /** Runs the rest of the present epoch, or as much of it as the run still needs. */
        private void runEpoch() {
            int epoch = progress.epoch();
            try (BatchIterator batches = loader.epoch(epoch, progress.batch())) {
                while (batches.hasNext() && progress.step() < plan.totalSteps() && !stopRequested) {
                    runStep(batches);
                    boolean epochEnds = progress.epoch() > epoch;
                    boolean runEnds = progress.step() == plan.totalSteps();
                    if (isDue(arguments.evalSteps(), epochEnds || runEnds)) {
                        evaluateAndKeepBest();
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

        private void runStep(BatchIterator iterator) {
            long stepStarted = System.nanoTime();
            List<Batch> batches = new ArrayList<>();
            int batchesOfStep = plan.batchesOfStep(progress.batch());
            long labelled = 0;
            long real = 0;
            while (batches.size() < batchesOfStep) {
                Batch batch = iterator.next();
                labelled += batch.labelledTokens();
                real += batch.realTokens();
                batches.add(batch);
            }
            double loss = 0;
            for (Batch batch : batches) {
                double scale = 1.0 / Math.max(1, labelled);
                loss += backpropagation.run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, scale));
            }
            double learningRate = arguments.learningRate()
                    * arguments
                            .schedule()
                            .factor(progress.step(), arguments.warmupStepsOf(plan.totalSteps()), plan.totalSteps());
            double norm = GradientClipping.clip(
                    trainable, arguments.maxGradNorm() == 0 ? Double.POSITIVE_INFINITY : arguments.maxGradNorm());
            if (!Double.isFinite(loss) || !Double.isFinite(norm)) {
                throw new UserErrorException("step " + (progress.step() + 1) + ": the loss is " + loss
                        + " and the gradient norm " + norm + ": lower learning_rate (now " + learningRate + ")");
            }
            optimizer.step(learningRate);
            optimizer.clearGradients();
            lastLoss = loss;
            tokens += real;
            advance(batchesOfStep);
            double seconds = (System.nanoTime() - stepStarted) / 1e9;
            listener.onStep(new StepMetrics(
                    progress.step(),
                    plan.totalSteps(),
                    progress.epoch() + (double) progress.batch() / plan.batchesPerEpoch(),
                    loss,
                    learningRate,
                    norm,
                    real,
                    labelled,
                    real / seconds,
                    elapsed()));
        }

        private void advance(int batches) {
            int next = progress.batch() + batches;
            boolean epochEnds = next >= plan.batchesPerEpoch();
            progress = new TrainingProgress(
                    progress.step() + 1,
                    epochEnds ? progress.epoch() + 1 : progress.epoch(),
                    epochEnds ? 0 : next,
                    progress.bestEvaluationLoss());
        }

        private void evaluateAndKeepBest() {
            if (evaluationDataset == null) {
                return;
            }
            EvaluationMetrics metrics = evaluate(progress.step());
            Double best = progress.bestEvaluationLoss();
            if (best == null || metrics.loss() < best) {
                progress = new TrainingProgress(progress.step(), progress.epoch(), progress.batch(), metrics.loss());
                if (arguments.outputDirectory() != null) {
                    AtomicFiles.writeDirectory(arguments.outputDirectory().resolve(BEST), strategy::save);
                }
            }
            listener.onEvaluation(metrics);
        }

        private void saveCheckpoint() {
            if (checkpoints == null || progress.step() == lastSaved) {
                return;
            }
            Path written = checkpoints.write(progress, fingerprint(), strategy, optimizer, arguments.saveTotalLimit());
            lastSaved = progress.step();
            listener.onCheckpoint(written, progress.step());
        }

        /** What must be the same for a resumed run to see the batches that the first one would have seen. */
        private String fingerprint() {
            return dataset.size() + " samples, batches of " + arguments.perDeviceTrainBatchSize() + " x "
                    + arguments.gradientAccumulationSteps() + ", "
                    + (arguments.shuffle() ? "seed " + arguments.seed() : "not shuffled");
        }

        private Optimizer optimizer() {
            List<ParameterGroup> groups = arguments.decayNormsAndBiases()
                    ? ParameterGroup.all(trainable, arguments.weightDecay())
                    : ParameterGroup.withoutNormsAndBiases(model.network(), trainable, arguments.weightDecay());
            return switch (arguments.optimizer()) {
                case ADAMW -> new AdamW(groups, arguments.adamBeta1(), arguments.adamBeta2(), arguments.adamEpsilon());
                case SGD -> new Sgd(groups, arguments.momentum());
            };
        }

        private TrainingPlan plan() {
            long trained = trainable.stream().mapToLong(Parameter::numel).sum();
            long all = model.network().allParameters().stream()
                    .mapToLong(Parameter::numel)
                    .sum();
            long added = trainable.stream()
                    .filter(parameter -> !model.network().allParameters().contains(parameter))
                    .mapToLong(Parameter::numel)
                    .sum();
            Path output = arguments.outputDirectory();
            String name = output == null
                    ? "training"
                    : output.toAbsolutePath().getFileName().toString();
            return new TrainingPlan(
                    name, plan.totalSteps(), plan.totalEpochs(), progress.step(), trained, all + added, configuration);
        }

        private Duration elapsed() {
            return Duration.of(System.nanoTime() - started, TimeUnit.NANOSECONDS.toChronoUnit());
        }

        @Override
        public void close() {
            optimizer.clearGradients();
            optimizer.close();
        }
    }
}
