package org.finetune4j.train.arguments;

import java.nio.file.Path;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DataLoader;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.jspecify.annotations.Nullable;

/** Collects {@link TrainingArguments}; what is not set keeps its default. */
public final class TrainingArgumentsBuilder {

    private double epochs = 3;
    private long maxSteps;
    private int perDeviceTrainBatchSize = 8;
    private int perDeviceEvalBatchSize = 8;
    private int gradientAccumulationSteps = 1;
    private double learningRate = 5e-5;
    private LearningRateSchedule schedule = LearningRateSchedule.LINEAR;
    private long warmupSteps;
    private double warmupRatio;
    private OptimizerOptions optimizer = OptimizerOptions.adamW();
    private double weightDecay;
    private boolean decayNormsAndBiases;
    private double maxGradNorm = 1;
    private int gradientCheckpointingLayers;
    private @Nullable Path activationOffloadDirectory;
    private LossOptions loss = LossOptions.crossEntropy();
    private double neftuneNoiseAlpha;
    private double emaDecay;
    private ShardingOptions sharding = ShardingOptions.NONE;
    private OffloadOptions offload = OffloadOptions.NONE;
    private boolean fusedLayers = true;
    private boolean optimizerInBackward;
    private ModelSelection selection = ModelSelection.byLoss();
    private long statisticsSteps;
    private long seed = 42;
    private boolean shuffle = true;
    private int dataloaderNumWorkers = DataLoader.DEFAULT_WORKERS;
    private int dataloaderPrefetchFactor = DataLoader.DEFAULT_PREFETCH;
    private StepInterval evaluation = StepInterval.EPOCH;
    private StepInterval checkpoints = StepInterval.EPOCH;
    private int saveTotalLimit = 1;
    private @Nullable Path outputDirectory;
    private boolean resume;

    TrainingArgumentsBuilder() {}

    /**
     * Sets how long to train.
     *
     * @param value passes over the training data, may be a fraction; 3 unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder epochs(double value) {
        epochs = value;
        return this;
    }

    /**
     * Sets how long to train, in steps.
     *
     * @param value optimizer steps; when positive it decides instead of the epochs
     * @return this builder
     */
    public TrainingArgumentsBuilder maxSteps(long value) {
        maxSteps = value;
        return this;
    }

    /**
     * The batch size of training and of evaluation.
     *
     * @param value samples that go through the model together
     * @return this builder
     */
    public TrainingArgumentsBuilder batchSize(int value) {
        return perDeviceTrainBatchSize(value).perDeviceEvalBatchSize(value);
    }

    /**
     * Sets the batch size of training.
     *
     * @param value samples that go through the model together; 8 unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder perDeviceTrainBatchSize(int value) {
        perDeviceTrainBatchSize = value;
        return this;
    }

    /**
     * Sets the batch size of evaluation.
     *
     * @param value samples that go through the model together; 8 unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder perDeviceEvalBatchSize(int value) {
        perDeviceEvalBatchSize = value;
        return this;
    }

    /**
     * Sets how many batches make a step.
     *
     * @param value batches that make one optimizer step; 1 unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder gradientAccumulationSteps(int value) {
        gradientAccumulationSteps = value;
        return this;
    }

    /**
     * Sets the learning rate.
     *
     * @param value the base learning rate; 5e-5 unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder learningRate(double value) {
        learningRate = value;
        return this;
    }

    /**
     * Sets how the learning rate changes.
     *
     * @param value {@link LearningRateSchedule#LINEAR} unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder schedule(LearningRateSchedule value) {
        schedule = Objects.requireNonNull(value, "schedule");
        return this;
    }

    /**
     * Sets over how many steps the learning rate rises from 0.
     *
     * @param value optimizer steps; when positive it decides instead of the ratio
     * @return this builder
     */
    public TrainingArgumentsBuilder warmupSteps(long value) {
        warmupSteps = value;
        return this;
    }

    /**
     * Sets over which share of the run the learning rate rises from 0.
     *
     * @param value share of all steps, from 0 to 1
     * @return this builder
     */
    public TrainingArgumentsBuilder warmupRatio(double value) {
        warmupRatio = value;
        return this;
    }

    /**
     * Sets the optimizer with all its settings.
     *
     * @param value AdamW unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder optimizer(OptimizerOptions value) {
        optimizer = Objects.requireNonNull(value, "optimizer");
        return this;
    }

    /**
     * The optimizer of this name, with the decays, momentum and arguments that were set before.
     *
     * @param name as {@code optim} names it
     * @return this builder
     */
    public TrainingArgumentsBuilder optimizer(String name) {
        return optimizer(new OptimizerOptions(
                name,
                optimizer.beta1(),
                optimizer.beta2(),
                optimizer.epsilon(),
                optimizer.momentum(),
                optimizer.arguments()));
    }

    /**
     * Sets the weight decay.
     *
     * @param value decoupled weight decay
     * @return this builder
     */
    public TrainingArgumentsBuilder weightDecay(double value) {
        weightDecay = value;
        return this;
    }

    /**
     * Sets what decays.
     *
     * @param value whether norms and biases decay too; {@code false} unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder decayNormsAndBiases(boolean value) {
        decayNormsAndBiases = value;
        return this;
    }

    /**
     * The decays of Adam's two moments and the number added to the root of the second.
     *
     * @param beta1 decay of the first moment
     * @param beta2 decay of the second moment
     * @param epsilon added to the root of the second moment
     * @return this builder
     */
    public TrainingArgumentsBuilder adam(double beta1, double beta2, double epsilon) {
        return optimizer(new OptimizerOptions(
                optimizer.name(), beta1, beta2, epsilon, optimizer.momentum(), optimizer.arguments()));
    }

    /**
     * Sets the momentum.
     *
     * @param value of SGD and RMSprop; 0 for none
     * @return this builder
     */
    public TrainingArgumentsBuilder momentum(double value) {
        return optimizer(new OptimizerOptions(
                optimizer.name(),
                optimizer.beta1(),
                optimizer.beta2(),
                optimizer.epsilon(),
                value,
                optimizer.arguments()));
    }

    /**
     * Sets the clipping of gradients.
     *
     * @param value gradients are scaled down to this global norm; 0 for no clipping; 1 unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder maxGradNorm(double value) {
        maxGradNorm = value;
        return this;
    }

    /**
     * Where checkpointed activations are written until they are needed, or null to keep them in memory.
     *
     * @param value made if need be; null unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder activationOffloadDirectory(@Nullable Path value) {
        activationOffloadDirectory = value;
        return this;
    }

    /**
     * Sets which activations are kept for the backward pass.
     *
     * @param value layers that share one kept activation; 0 keeps all
     * @return this builder
     */
    public TrainingArgumentsBuilder gradientCheckpointingLayers(int value) {
        gradientCheckpointingLayers = value;
        return this;
    }

    /**
     * Sets what is added to the cross entropy.
     *
     * @param value cross entropy alone unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder loss(LossOptions value) {
        loss = Objects.requireNonNull(value, "loss");
        return this;
    }

    /**
     * Adds noise to the embeddings in training.
     *
     * @param value noise on the embeddings (Jain et al. 2023, NEFTune); 0 for none
     * @return this builder
     */
    public TrainingArgumentsBuilder neftuneNoiseAlpha(double value) {
        neftuneNoiseAlpha = value;
        return this;
    }

    /**
     * Sets what ranks that train together share out; nothing unless set.
     *
     * @param value the stage, and how much is sent at one time
     * @return this builder
     */
    public TrainingArgumentsBuilder sharding(ShardingOptions value) {
        sharding = Objects.requireNonNull(value, "sharding");
        return this;
    }

    /**
     * Sets what is in files in the place of memory; nothing unless set.
     *
     * @param value where to
     * @return this builder
     */
    public TrainingArgumentsBuilder offload(OffloadOptions value) {
        offload = Objects.requireNonNull(value, "offload");
        return this;
    }

    /**
     * Whether layers that are known run by formula, without autograd: faster, with the same results.
     *
     * @param value true unless it is said
     * @return this
     */
    public TrainingArgumentsBuilder fusedLayers(boolean value) {
        fusedLayers = value;
        return this;
    }

    /**
     * Updates every parameter within the backward pass, as soon as its gradient is whole, and frees that (Lv et al. 2023, LOMO). The weights
     * become the same. It goes with one batch a step, without {@link #maxGradNorm}; and a step that has gone wrong may have changed some
     * weights already.
     *
     * @param value false unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder optimizerInBackward(boolean value) {
        optimizerInBackward = value;
        return this;
    }

    /**
     * Keeps a moving average of the weights.
     *
     * @param value from 0, for no average, to below 1
     * @return this builder
     */
    public TrainingArgumentsBuilder emaDecay(double value) {
        emaDecay = value;
        return this;
    }

    /**
     * Sets what is measured on held-out samples.
     *
     * @param value by loss unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder selection(ModelSelection value) {
        selection = Objects.requireNonNull(value, "selection");
        return this;
    }

    /**
     * Measures gradients and activations every so many steps.
     *
     * @param value steps between statistics of gradients and activations; 0 for none
     * @return this builder
     */
    public TrainingArgumentsBuilder statisticsSteps(long value) {
        statisticsSteps = value;
        return this;
    }

    /**
     * Sets the seed.
     *
     * @param value decides initial values, the order of the data and dropout; 42 unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder seed(long value) {
        seed = value;
        return this;
    }

    /**
     * Sets the order of the samples.
     *
     * @param value whether every epoch has a random order of its own; {@code true} unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder shuffle(boolean value) {
        shuffle = value;
        return this;
    }

    /**
     * Sets how many threads make batches.
     *
     * @param value threads that make batches ahead; 0 makes each when it is needed
     * @return this builder
     */
    public TrainingArgumentsBuilder dataloaderNumWorkers(int value) {
        dataloaderNumWorkers = value;
        return this;
    }

    /**
     * Sets how far ahead each of them works.
     *
     * @param value batches that each of them makes ahead
     * @return this builder
     */
    public TrainingArgumentsBuilder dataloaderPrefetchFactor(int value) {
        dataloaderPrefetchFactor = value;
        return this;
    }

    /**
     * Measures the held-out samples every so many steps.
     *
     * @param value steps from one evaluation to the next; 0 for the end of every epoch
     * @return this builder
     */
    public TrainingArgumentsBuilder evalSteps(long value) {
        return evaluation(StepInterval.every(value));
    }

    /**
     * How often the held-out samples are measured; at the end of every epoch unless set.
     *
     * @param value the interval
     * @return this builder
     */
    public TrainingArgumentsBuilder evaluation(StepInterval value) {
        evaluation = Objects.requireNonNull(value, "evaluation");
        return this;
    }

    /**
     * Writes a checkpoint every so many steps.
     *
     * @param value steps from one checkpoint to the next; 0 for the end of every epoch
     * @return this builder
     */
    public TrainingArgumentsBuilder saveSteps(long value) {
        return checkpoints(StepInterval.every(value));
    }

    /**
     * How often a checkpoint is written; at the end of every epoch unless set.
     *
     * @param value the interval
     * @return this builder
     */
    public TrainingArgumentsBuilder checkpoints(StepInterval value) {
        checkpoints = Objects.requireNonNull(value, "checkpoints");
        return this;
    }

    /**
     * Sets how many checkpoints are kept.
     *
     * @param value how many of the latest checkpoints are kept; 1 unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder saveTotalLimit(int value) {
        saveTotalLimit = value;
        return this;
    }

    /**
     * Sets where checkpoints go.
     *
     * @param value where checkpoints go, or null to write none; null unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder outputDirectory(@Nullable Path value) {
        outputDirectory = value;
        return this;
    }

    /**
     * Sets whether an earlier run goes on.
     *
     * @param value whether to go on from the latest checkpoint of the output directory, which must be there;
     *     {@code false} unless set
     * @return this builder
     */
    public TrainingArgumentsBuilder resume(boolean value) {
        resume = value;
        return this;
    }

    /**
     * Makes the arguments.
     *
     * @return the arguments
     * @throws UserErrorException when settings do not fit together
     * @throws IllegalArgumentException when a number is outside of its range
     */
    public TrainingArguments build() {
        return new TrainingArguments(
                epochs,
                maxSteps,
                perDeviceTrainBatchSize,
                perDeviceEvalBatchSize,
                gradientAccumulationSteps,
                learningRate,
                schedule,
                warmupSteps,
                warmupRatio,
                optimizer,
                weightDecay,
                decayNormsAndBiases,
                maxGradNorm,
                gradientCheckpointingLayers,
                activationOffloadDirectory,
                fusedLayers,
                optimizerInBackward,
                loss,
                neftuneNoiseAlpha,
                emaDecay,
                selection,
                statisticsSteps,
                seed,
                shuffle,
                dataloaderNumWorkers,
                dataloaderPrefetchFactor,
                evaluation,
                checkpoints,
                saveTotalLimit,
                outputDirectory,
                resume,
                sharding,
                offload);
    }
}
