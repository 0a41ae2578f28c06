package org.finetune4j.train.arguments;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.SegmentFactory;
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
 * @param fusedLayers whether layers that are known go back by formula; else all do by autograd
 * @param optimizerInBackward whether a parameter is updated as soon as its gradient is whole, which is then freed
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
 * @param sharding what ranks that train together share out
 * @param offload what is in files in the place of memory
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
        boolean fusedLayers,
        boolean optimizerInBackward,
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
        boolean resume,
        ShardingOptions sharding,
        OffloadOptions offload) {

    /** {@return how layers run} */
    public SegmentFactory segments() {
        return fusedLayers ? SegmentFactory.installed() : SegmentFactory.autograd();
    }

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
     * @param fusedLayers whether layers that are known go back by formula; else all do by autograd
     * @param optimizerInBackward whether a parameter is updated as soon as its gradient is whole, which is then freed
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
     * @param sharding what ranks that train together share out
     * @param offload what is in files in the place of memory
     * @throws UserErrorException when activations are to be offloaded and none are checkpointed, or updates in the backward pass are
     *     asked for beside what needs all gradients
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
        if (optimizerInBackward) {
            requireNoUseOfAllGradients(maxGradNorm, gradientAccumulationSteps, statisticsSteps);
        }
        notNegative("neftuneNoiseAlpha", neftuneNoiseAlpha);
        notNegative("statisticsSteps", (double) statisticsSteps);
        if (!(emaDecay >= 0 && emaDecay < 1)) {
            throw new IllegalArgumentException("emaDecay must be at least 0 and below 1: " + emaDecay);
        }
    }

    private static void requireNoUseOfAllGradients(double maxGradNorm, int accumulated, long statisticsSteps) {
        String begin = "optimizer_in_backward frees each gradient before the next one is there, and ";
        if (maxGradNorm > 0) {
            throw new UserErrorException(
                    begin + "max_grad_norm needs the norm of all of them first: set max_grad_norm: 0" + " (it is "
                            + maxGradNorm + ")");
        }
        if (accumulated > 1) {
            throw new UserErrorException(begin + "gradient_accumulation_steps adds batches up first: set it to 1 and"
                    + " per_device_train_batch_size higher (it is " + accumulated + ")");
        }
        if (statisticsSteps > 0) {
            throw new UserErrorException(begin + "statistics_steps looks at all of them together: leave it out (it is "
                    + statisticsSteps + ")");
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
    public static TrainingArgumentsBuilder builder() {
        return new TrainingArgumentsBuilder();
    }

    /**
     * {@return the steps over which the learning rate rises}
     *
     * @param totalSteps of the whole run
     */
    public long warmupStepsOf(long totalSteps) {
        return warmupSteps > 0 ? warmupSteps : (long) Math.ceil(totalSteps * warmupRatio);
    }

    /** {@return what a report shows, under the names that configurations use} */
    public Map<String, @Nullable Object> describe() {
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
        if (!fusedLayers) {
            shown.put("fused_layers", false);
        }
        if (optimizerInBackward) {
            shown.put("optimizer_in_backward", true);
        }
        loss.describe(shown);
        selection.describe(shown);
        if (neftuneNoiseAlpha > 0) {
            shown.put("neftune_noise_alpha", neftuneNoiseAlpha);
        }
        if (emaDecay > 0) {
            shown.put("ema_decay", emaDecay);
        }
        if (sharding.stage() > 0) {
            shown.put("zero_stage", sharding.stage());
        }
        if (offload.optimizer() != null) {
            shown.put("offload_optimizer", true);
        }
        if (offload.parameters() != null) {
            shown.put("offload_param", true);
        }
        shown.put("seed", seed);
        return shown;
    }
}
