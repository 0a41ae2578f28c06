package org.finetune4j.cli;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.finetune4j.Settings;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.quant.Quantization;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.StrategyProvider;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.TrainingArguments;
import org.finetune4j.train.TrainingArguments.OptimizerKind;
import org.finetune4j.train.optimizer.LearningRateSchedule;

/**
 * What a configuration asks for, every key checked.
 *
 * @param previews held-out prompts to answer before and after training
 */
record TrainingJob(
        Path model,
        LoadOptions loadOptions,
        FineTuningStrategy strategy,
        DataJob data,
        TrainingArguments arguments,
        Path outputDirectory,
        List<String> reportTo,
        int previews,
        int threads) {

    private static final List<String> REPORTS = List.of("html", "tensorboard", "none");

    /**
     * Reads a configuration.
     *
     * @throws UserErrorException for the first key that is unknown, missing or has a value that cannot be used
     */
    static TrainingJob of(Settings settings) {
        String stage = settings.text("stage").orElse("sft");
        if (!stage.equals("sft")) {
            throw new UserErrorException(settings.origin() + ": 'stage' is " + stage + ", expected sft");
        }
        Path model = Path.of(settings.requiredText("model_name_or_path"));
        Path output = Path.of(settings.requiredText("output_dir"));
        FineTuningStrategy strategy =
                StrategyProvider.named(settings.text("method").orElse("lora")).create(settings);
        TrainingJob job = new TrainingJob(
                model,
                new LoadOptions(
                                Device.parse(settings.text("device").orElse("auto")),
                                settings.text("dtype").map(DType::parse).orElse(null))
                        .withCompression(Quantization.of(settings)
                                .map(Quantization::compression)
                                .orElse(null)),
                strategy,
                DataJob.of(settings),
                arguments(settings, output),
                output,
                reports(settings),
                settings.integer("num_preview_samples", 3, 0),
                settings.integer("threads", 0, 0));
        settings.refuseUnknown();
        return job;
    }

    private static TrainingArguments arguments(Settings settings, Path output) {
        int batch = settings.integer("per_device_train_batch_size", 8, 1);
        return TrainingArguments.builder()
                .epochs(settings.number("num_train_epochs", 3, 1e-9, 1e9))
                .maxSteps(settings.integer("max_steps", -1))
                .perDeviceTrainBatchSize(batch)
                .perDeviceEvalBatchSize(settings.integer("per_device_eval_batch_size", batch, 1))
                .gradientAccumulationSteps(settings.integer("gradient_accumulation_steps", 1, 1))
                .learningRate(settings.number("learning_rate", 5e-5, 0, 1e6))
                .schedule(LearningRateSchedule.named(
                        settings.text("lr_scheduler_type").orElse("linear")))
                .warmupSteps(settings.integer("warmup_steps", 0, 0))
                .warmupRatio(settings.number("warmup_ratio", 0, 0, 1))
                .optimizer(optimizer(settings))
                .weightDecay(settings.number("weight_decay", 0, 0, 1e6))
                .adam(
                        settings.number("adam_beta1", 0.9, 0, 1),
                        settings.number("adam_beta2", 0.999, 0, 1),
                        settings.number("adam_epsilon", 1e-8, 0, 1))
                .momentum(settings.number("momentum", 0, 0, 1))
                .maxGradNorm(settings.number("max_grad_norm", 1, 0, Double.MAX_VALUE))
                .gradientCheckpointingLayers(checkpointing(settings))
                .seed(settings.integer("seed", 42))
                .shuffle(settings.flag("shuffle", true))
                .evalSteps(settings.integer("eval_steps", 0, 0))
                .saveSteps(settings.integer("save_steps", 0, 0))
                .saveTotalLimit(settings.integer("save_total_limit", 1, 1))
                .outputDirectory(output)
                .resume(settings.flag("resume_from_checkpoint", false))
                .build();
    }

    private static OptimizerKind optimizer(Settings settings) {
        String name = settings.text("optim").orElse("adamw").toLowerCase(Locale.ROOT);
        return switch (name) {
            case "adamw", "adamw_torch", "adamw_torch_fused" -> OptimizerKind.ADAMW;
            case "sgd" -> OptimizerKind.SGD;
            default ->
                throw new UserErrorException(settings.origin() + ": 'optim' is " + name
                        + Suggestions.didYouMean(name, List.of("adamw", "adamw_torch", "adamw_torch_fused", "sgd")));
        };
    }

    /** {@code true} keeps one activation a layer, a number one for so many layers. */
    private static int checkpointing(Settings settings) {
        Object value = settings.value("gradient_checkpointing").orElse(false);
        if (value instanceof Boolean flag) {
            return flag ? 1 : 0;
        }
        return settings.integer("gradient_checkpointing", 0, 0);
    }

    private static List<String> reports(Settings settings) {
        List<String> names = settings.has("report_to") ? settings.texts("report_to") : List.of("html", "tensorboard");
        for (String name : names) {
            if (!REPORTS.contains(name)) {
                throw new UserErrorException(
                        settings.origin() + ": 'report_to' is " + name + Suggestions.didYouMean(name, REPORTS));
            }
        }
        return names;
    }
}
