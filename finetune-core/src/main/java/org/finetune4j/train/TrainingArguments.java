package org.finetune4j.train;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DataLoader;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.jspecify.annotations.Nullable;

/**
 * How to train, with the names and defaults of transformers' {@code TrainingArguments} where it has them.
 *
 * @param epochs passes over the training data, may be a fraction
 * @param maxSteps optimizer steps; when positive it decides instead of {@code epochs}
 * @param perDeviceTrainBatchSize samples that go through the model together
 * @param perDeviceEvalBatchSize the same for evaluation
 * @param gradientAccumulationSteps batches that make one optimizer step
 * @param learningRate the base learning rate
 * @param schedule how it changes
 * @param warmupSteps steps over which it rises from 0; when positive it decides instead of {@code warmupRatio}
 * @param warmupRatio share of all steps over which it rises from 0
 * @param optimizer which optimizer, with its settings
 * @param weightDecay decoupled weight decay
 * @param decayNormsAndBiases whether norms and biases decay too
 * @param maxGradNorm gradients are scaled down to this global norm; 0 for no clipping
 * @param gradientCheckpointingLayers layers that share one kept activation; 0 keeps all
 * @param activationOffloadDirectory where kept activations are written until they are needed, or null for memory
 * @param loss what is added to the cross entropy
 * @param neftuneNoiseAlpha noise on the embeddings (Jain et al. 2023, NEFTune); 0 for none
 * @param emaDecay the trained weights' moving average is kept and given in the end; 0 for none
 * @param selection what is measured on held-out samples, and what follows from it
 * @param statisticsSteps steps between statistics of gradients and activations; 0 for none
 * @param seed decides initial values, the order of the data and dropout
 * @param shuffle whether every epoch has a random order of its own
 * @param dataloaderNumWorkers threads that make batches ahead; 0 makes each when it is needed. It changes no result
 * @param dataloaderPrefetchFactor batches that each of them makes ahead
 * @param evaluation how often the held-out samples are measured
 * @param checkpoints how often a checkpoint is written; a run that is stopped always writes one
 * @param saveTotalLimit how many of the latest checkpoints are kept
 * @param outputDirectory where checkpoints go, or null to write none
 * @param resume whether to go on from the latest checkpoint there, which must be there
 */
public record TrainingArguments(
        double epochs,
        long maxSteps,
        int perDeviceTrainBatchSize,
        int perDeviceEvalBatchSize,
        int gradientAccumulationSteps,
        double learningRate,
        LearningRateSchedule schedule,
        long warmupSteps,
        double warmupRatio,
        OptimizerOptions optimizer,
        double weightDecay,
        boolean decayNormsAndBiases,
        double maxGradNorm,
        int gradientCheckpointingLayers,
        @Nullable Path activationOffloadDirectory,
        LossOptions loss,
        double neftuneNoiseAlpha,
        double emaDecay,
        ModelSelection selection,
        long statisticsSteps,
        long seed,
        boolean shuffle,
        int dataloaderNumWorkers,
        int dataloaderPrefetchFactor,
        StepInterval evaluation,
        StepInterval checkpoints,
        int saveTotalLimit,
        @Nullable Path outputDirectory,
        boolean resume) {

    /** {@return which activations are kept for the backward pass, and where} */
    public GradientCheckpointing checkpointing() {
        return new GradientCheckpointing(gradientCheckpointingLayers, activationOffloadDirectory);
    }

    /**
     * Checks every number.
     *
     * @param epochs passes over the training data, may be a fraction
     * @param maxSteps optimizer steps; when positive it decides instead of {@code epochs}
     * @param perDeviceTrainBatchSize samples that go through the model together
     * @param perDeviceEvalBatchSize the same for evaluation
     * @param gradientAccumulationSteps batches that make one optimizer step
     * @param learningRate the base learning rate
     * @param schedule how it changes
     * @param warmupSteps steps over which it rises from 0; when positive it decides instead of {@code warmupRatio}
     * @param warmupRatio share of all steps over which it rises from 0
     * @param optimizer which optimizer, with its settings
     * @param weightDecay decoupled weight decay
     * @param decayNormsAndBiases whether norms and biases decay too
     * @param maxGradNorm gradients are scaled down to this global norm; 0 for no clipping
     * @param gradientCheckpointingLayers layers that share one kept activation; 0 keeps all
     * @param activationOffloadDirectory where kept activations are written until they are needed, or null for memory
     * @param loss what is added to the cross entropy
     * @param neftuneNoiseAlpha noise on the embeddings (Jain et al. 2023, NEFTune); 0 for none
     * @param emaDecay the trained weights' moving average is kept and given in the end; 0 for none
     * @param selection what is measured on held-out samples, and what follows from it
     * @param statisticsSteps steps between statistics of gradients and activations; 0 for none
     * @param seed decides initial values, the order of the data and dropout
     * @param shuffle whether every epoch has a random order of its own
     * @param dataloaderNumWorkers threads that make batches ahead; 0 makes each when it is needed. It changes no result
     * @param dataloaderPrefetchFactor batches that each of them makes ahead
     * @param evaluation how often the held-out samples are measured
     * @param checkpoints how often a checkpoint is written; a run that is stopped always writes one
     * @param saveTotalLimit how many of the latest checkpoints are kept
     * @param outputDirectory where checkpoints go, or null to write none
     * @param resume whether to go on from the latest checkpoint there, which must be there
     * @throws UserErrorException when activations are to be offloaded and none are checkpointed
     * @throws IllegalArgumentException when a number is outside of its range
     */
    public TrainingArguments {
        positive("epochs", epochs);
        positive("perDeviceTrainBatchSize", perDeviceTrainBatchSize);
        positive("perDeviceEvalBatchSize", perDeviceEvalBatchSize);
        positive("gradientAccumulationSteps", gradientAccumulationSteps);
        positive("saveTotalLimit", saveTotalLimit);
        positive("dataloaderPrefetchFactor", dataloaderPrefetchFactor);
        notNegative("dataloaderNumWorkers", dataloaderNumWorkers);
        notNegative("learningRate", learningRate);
        notNegative("warmupSteps", (double) warmupSteps);
        notNegative("warmupRatio", warmupRatio);
        notNegative("weightDecay", weightDecay);
        notNegative("maxGradNorm", maxGradNorm);
        notNegative("gradientCheckpointingLayers", gradientCheckpointingLayers);
        if (activationOffloadDirectory != null && gradientCheckpointingLayers == 0) {
            throw new UserErrorException(
                    "activation_offloading moves checkpointed activations: it needs" + " gradient_checkpointing: true");
        }
        notNegative("neftuneNoiseAlpha", neftuneNoiseAlpha);
        notNegative("statisticsSteps", (double) statisticsSteps);
        if (!(emaDecay >= 0 && emaDecay < 1)) {
            throw new IllegalArgumentException("emaDecay must be at least 0 and below 1: " + emaDecay);
        }
    }

    private static void positive(String name, double value) {
        if (!(value > 0)) {
            throw new IllegalArgumentException(name + " must be positive: " + value);
        }
    }

    private static void notNegative(String name, double value) {
        if (!(value >= 0)) {
            throw new IllegalArgumentException(name + " must not be negative: " + value);
        }
    }

    /** {@return the defaults} */
    public static TrainingArguments defaults() {
        return builder().build();
    }

    /** {@return a builder with the defaults} */
    public static Builder builder() {
        return new Builder();
    }

    /** Steps over which the learning rate rises, in a run of {@code totalSteps}. */
    long warmupStepsOf(long totalSteps) {
        return warmupSteps > 0 ? warmupSteps : (long) Math.ceil(totalSteps * warmupRatio);
    }

    /** What a report shows, under the names that configurations use. */
    Map<String, @Nullable Object> describe() {
        Map<String, @Nullable Object> shown = new LinkedHashMap<>();
        if (maxSteps > 0) {
            shown.put("max_steps", maxSteps);
        } else {
            shown.put("num_train_epochs", epochs);
        }
        shown.put("per_device_train_batch_size", perDeviceTrainBatchSize);
        shown.put("gradient_accumulation_steps", gradientAccumulationSteps);
        shown.put("learning_rate", learningRate);
        shown.put("lr_scheduler_type", schedule.schedulerType());
        shown.put(warmupSteps > 0 ? "warmup_steps" : "warmup_ratio", warmupSteps > 0 ? warmupSteps : warmupRatio);
        shown.put("optim", optimizer.name());
        shown.put("weight_decay", weightDecay);
        shown.put("max_grad_norm", maxGradNorm);
        shown.put("gradient_checkpointing", gradientCheckpointingLayers);
        if (activationOffloadDirectory != null) {
            shown.put("activation_offloading", true);
        }
        loss.describe(shown);
        selection.describe(shown);
        if (neftuneNoiseAlpha > 0) {
            shown.put("neftune_noise_alpha", neftuneNoiseAlpha);
        }
        if (emaDecay > 0) {
            shown.put("ema_decay", emaDecay);
        }
        shown.put("seed", seed);
        return shown;
    }

    /** Collects arguments; what is not set keeps its default. */
    public static final class Builder {

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

        private Builder() {}

        /**
         * Sets how long to train.
         *
         * @param value passes over the training data, may be a fraction; 3 unless set
         * @return this builder
         */
        public Builder epochs(double value) {
            epochs = value;
            return this;
        }

        /**
         * Sets how long to train, in steps.
         *
         * @param value optimizer steps; when positive it decides instead of the epochs
         * @return this builder
         */
        public Builder maxSteps(long value) {
            maxSteps = value;
            return this;
        }

        /**
         * The batch size of training and of evaluation.
         *
         * @param value samples that go through the model together
         * @return this builder
         */
        public Builder batchSize(int value) {
            return perDeviceTrainBatchSize(value).perDeviceEvalBatchSize(value);
        }

        /**
         * Sets the batch size of training.
         *
         * @param value samples that go through the model together; 8 unless set
         * @return this builder
         */
        public Builder perDeviceTrainBatchSize(int value) {
            perDeviceTrainBatchSize = value;
            return this;
        }

        /**
         * Sets the batch size of evaluation.
         *
         * @param value samples that go through the model together; 8 unless set
         * @return this builder
         */
        public Builder perDeviceEvalBatchSize(int value) {
            perDeviceEvalBatchSize = value;
            return this;
        }

        /**
         * Sets how many batches make a step.
         *
         * @param value batches that make one optimizer step; 1 unless set
         * @return this builder
         */
        public Builder gradientAccumulationSteps(int value) {
            gradientAccumulationSteps = value;
            return this;
        }

        /**
         * Sets the learning rate.
         *
         * @param value the base learning rate; 5e-5 unless set
         * @return this builder
         */
        public Builder learningRate(double value) {
            learningRate = value;
            return this;
        }

        /**
         * Sets how the learning rate changes.
         *
         * @param value {@link LearningRateSchedule#LINEAR} unless set
         * @return this builder
         */
        public Builder schedule(LearningRateSchedule value) {
            schedule = Objects.requireNonNull(value, "schedule");
            return this;
        }

        /**
         * Sets over how many steps the learning rate rises from 0.
         *
         * @param value optimizer steps; when positive it decides instead of the ratio
         * @return this builder
         */
        public Builder warmupSteps(long value) {
            warmupSteps = value;
            return this;
        }

        /**
         * Sets over which share of the run the learning rate rises from 0.
         *
         * @param value share of all steps, from 0 to 1
         * @return this builder
         */
        public Builder warmupRatio(double value) {
            warmupRatio = value;
            return this;
        }

        /**
         * Sets the optimizer with all its settings.
         *
         * @param value AdamW unless set
         * @return this builder
         */
        public Builder optimizer(OptimizerOptions value) {
            optimizer = Objects.requireNonNull(value, "optimizer");
            return this;
        }

        /**
         * The optimizer of this name, with the decays, momentum and arguments that were set before.
         *
         * @param name as {@code optim} names it
         * @return this builder
         */
        public Builder optimizer(String name) {
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
        public Builder weightDecay(double value) {
            weightDecay = value;
            return this;
        }

        /**
         * Sets what decays.
         *
         * @param value whether norms and biases decay too; {@code false} unless set
         * @return this builder
         */
        public Builder decayNormsAndBiases(boolean value) {
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
        public Builder adam(double beta1, double beta2, double epsilon) {
            return optimizer(new OptimizerOptions(
                    optimizer.name(), beta1, beta2, epsilon, optimizer.momentum(), optimizer.arguments()));
        }

        /**
         * Sets the momentum.
         *
         * @param value of SGD and RMSprop; 0 for none
         * @return this builder
         */
        public Builder momentum(double value) {
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
        public Builder maxGradNorm(double value) {
            maxGradNorm = value;
            return this;
        }

        /**
         * Where checkpointed activations are written until they are needed, or null to keep them in memory.
         *
         * @param value made if need be; null unless set
         * @return this builder
         */
        public Builder activationOffloadDirectory(@Nullable Path value) {
            activationOffloadDirectory = value;
            return this;
        }

        /**
         * Sets which activations are kept for the backward pass.
         *
         * @param value layers that share one kept activation; 0 keeps all
         * @return this builder
         */
        public Builder gradientCheckpointingLayers(int value) {
            gradientCheckpointingLayers = value;
            return this;
        }

        /**
         * Sets what is added to the cross entropy.
         *
         * @param value cross entropy alone unless set
         * @return this builder
         */
        public Builder loss(LossOptions value) {
            loss = Objects.requireNonNull(value, "loss");
            return this;
        }

        /**
         * Adds noise to the embeddings in training.
         *
         * @param value noise on the embeddings (Jain et al. 2023, NEFTune); 0 for none
         * @return this builder
         */
        public Builder neftuneNoiseAlpha(double value) {
            neftuneNoiseAlpha = value;
            return this;
        }

        /**
         * Keeps a moving average of the weights.
         *
         * @param value from 0, for no average, to below 1
         * @return this builder
         */
        public Builder emaDecay(double value) {
            emaDecay = value;
            return this;
        }

        /**
         * Sets what is measured on held-out samples.
         *
         * @param value by loss unless set
         * @return this builder
         */
        public Builder selection(ModelSelection value) {
            selection = Objects.requireNonNull(value, "selection");
            return this;
        }

        /**
         * Measures gradients and activations every so many steps.
         *
         * @param value steps between statistics of gradients and activations; 0 for none
         * @return this builder
         */
        public Builder statisticsSteps(long value) {
            statisticsSteps = value;
            return this;
        }

        /**
         * Sets the seed.
         *
         * @param value decides initial values, the order of the data and dropout; 42 unless set
         * @return this builder
         */
        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /**
         * Sets the order of the samples.
         *
         * @param value whether every epoch has a random order of its own; {@code true} unless set
         * @return this builder
         */
        public Builder shuffle(boolean value) {
            shuffle = value;
            return this;
        }

        /**
         * Sets how many threads make batches.
         *
         * @param value threads that make batches ahead; 0 makes each when it is needed
         * @return this builder
         */
        public Builder dataloaderNumWorkers(int value) {
            dataloaderNumWorkers = value;
            return this;
        }

        /**
         * Sets how far ahead each of them works.
         *
         * @param value batches that each of them makes ahead
         * @return this builder
         */
        public Builder dataloaderPrefetchFactor(int value) {
            dataloaderPrefetchFactor = value;
            return this;
        }

        /**
         * Measures the held-out samples every so many steps.
         *
         * @param value steps from one evaluation to the next; 0 for the end of every epoch
         * @return this builder
         */
        public Builder evalSteps(long value) {
            return evaluation(StepInterval.every(value));
        }

        /**
         * How often the held-out samples are measured; at the end of every epoch unless set.
         *
         * @param value the interval
         * @return this builder
         */
        public Builder evaluation(StepInterval value) {
            evaluation = Objects.requireNonNull(value, "evaluation");
            return this;
        }

        /**
         * Writes a checkpoint every so many steps.
         *
         * @param value steps from one checkpoint to the next; 0 for the end of every epoch
         * @return this builder
         */
        public Builder saveSteps(long value) {
            return checkpoints(StepInterval.every(value));
        }

        /**
         * How often a checkpoint is written; at the end of every epoch unless set.
         *
         * @param value the interval
         * @return this builder
         */
        public Builder checkpoints(StepInterval value) {
            checkpoints = Objects.requireNonNull(value, "checkpoints");
            return this;
        }

        /**
         * Sets how many checkpoints are kept.
         *
         * @param value how many of the latest checkpoints are kept; 1 unless set
         * @return this builder
         */
        public Builder saveTotalLimit(int value) {
            saveTotalLimit = value;
            return this;
        }

        /**
         * Sets where checkpoints go.
         *
         * @param value where checkpoints go, or null to write none; null unless set
         * @return this builder
         */
        public Builder outputDirectory(@Nullable Path value) {
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
        public Builder resume(boolean value) {
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
                    resume);
        }
    }
}
