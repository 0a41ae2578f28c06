package org.finetune4j.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.DataLoader;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.arguments.ModelSelection;
import org.finetune4j.train.arguments.OffloadOptions;
import org.finetune4j.train.arguments.ShardingOptions;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.objective.Score;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ScheduleOptions;
import org.finetune4j.train.stage.Stage;
import org.finetune4j.train.stage.SupervisedFineTuning;
import org.jspecify.annotations.Nullable;

/** Reads the arguments of a training under the names that transformers gives them. */
final class TrainingArgumentsReader {

    /** What says a device or a switch, of which a directory would be made. */
    private static final Set<String> NO_DIRECTORIES =
            Set.of("none", "cpu", "nvme", "gpu", "cuda", "disk", "auto", "true", "false");

    private final Settings settings;

    private TrainingArgumentsReader(Settings settings) {
        this.settings = settings;
    }

    /**
     * @param defaultLearningRate of the method
     * @param stage the kind of training
     * @throws UserErrorException for the first key whose value cannot be used
     */
    static TrainingArguments read(Settings settings, Path output, double defaultLearningRate, Stage stage) {
        return new TrainingArgumentsReader(settings).arguments(output, defaultLearningRate, stage);
    }

    private TrainingArguments arguments(Path output, double defaultLearningRate, Stage stage) {
        StepIntervals intervals = StepIntervals.of(settings);
        int batch = settings.integer("per_device_train_batch_size", 8, 1, 1 << 16);
        double learningRate = settings.number("learning_rate", defaultLearningRate, 0, 1e6);
        return TrainingArguments.builder()
                .epochs(settings.number("num_train_epochs", 3, 1e-9, 1e9))
                .maxSteps(settings.integer("max_steps", -1))
                .perDeviceTrainBatchSize(batch)
                .perDeviceEvalBatchSize(settings.integer("per_device_eval_batch_size", batch, 1, 1 << 16))
                .gradientAccumulationSteps(settings.integer("gradient_accumulation_steps", 1, 1, 1 << 20))
                .learningRate(learningRate)
                .schedule(schedule(learningRate))
                .warmupSteps(warmupIsShare() ? 0 : settings.integer("warmup_steps", 0, 0))
                .warmupRatio(settings.number(warmupIsShare() ? "warmup_steps" : "warmup_ratio", 0, 0, 1))
                .optimizer(optimizer())
                .weightDecay(settings.number("weight_decay", 0, 0, 1e6))
                .decayNormsAndBiases(settings.flag("decay_norms_and_biases", false))
                .maxGradNorm(settings.number("max_grad_norm", 1, 0, Float.MAX_VALUE))
                .gradientCheckpointingLayers(checkpointing())
                .activationOffloadDirectory(offloading(output))
                .loss(stage instanceof SupervisedFineTuning supervised ? supervised.loss() : LossOptions.crossEntropy())
                .neftuneNoiseAlpha(settings.number("neftune_noise_alpha", 0, 0, 1e6))
                .fusedLayers(settings.flag("fused_layers", true))
                .optimizerInBackward(settings.flag("optimizer_in_backward", false))
                .emaDecay(settings.number("ema_decay", 0, 0, 0.999999))
                .selection(selection(stage.scores()))
                .statisticsSteps(settings.integer("statistics_steps", 0, 0))
                .seed(seed())
                .shuffle(settings.flag("shuffle", true))
                .dataloaderNumWorkers(settings.integer("dataloader_num_workers", DataLoader.DEFAULT_WORKERS, 0, 256))
                .dataloaderPrefetchFactor(
                        settings.integer("dataloader_prefetch_factor", DataLoader.DEFAULT_PREFETCH, 1, 4096))
                .evaluation(intervals.evaluation())
                .checkpoints(intervals.checkpoints())
                .saveTotalLimit(
                        settings.isNull("save_total_limit")
                                ? Integer.MAX_VALUE // as in transformers, all of them
                                : settings.integer("save_total_limit", 1, 1))
                .outputDirectory(output)
                .resume(resume(output))
                .sharding(ShardingOptions.ofStage(settings.integer("zero_stage", 0, 0, ShardingOptions.LAST_STAGE)))
                .offload(offload(settings))
                .build();
    }

    /**
     * What a configuration keeps in files.
     *
     * @throws UserErrorException for a place that is none
     */
    static OffloadOptions offload(Settings settings) {
        TrainingArgumentsReader reader = new TrainingArgumentsReader(settings);
        return OffloadOptions.to(reader.offload("offload_optimizer"), reader.offload("offload_param"));
    }

    /** On a CPU the host's memory is where everything is: {@code cpu} changes nothing. */
    private @Nullable Path offload(String key) {
        String where = settings.text(key).orElse("none");
        if (where.equals("none")) {
            return null; // before libtorch is loaded to find a GPU
        }
        boolean onCuda = Device.parse(settings.text("device").orElse("auto")).type() == Device.Type.CUDA;
        if (where.equals("nvme") || onCuda) {
            throw settings.invalid(
                    key,
                    onCuda
                            ? "none, for what a GPU trains: zero_stage shares states and weights, optim: paged_adamw_8bit keeps"
                                    + " states in the host's memory"
                            : "the directory of the files");
        }
        if (!where.equals("cpu") && NO_DIRECTORIES.contains(where.toLowerCase(Locale.ROOT))) {
            throw settings.invalid(key, "none, cpu or a directory (./" + where + " for one of that name)");
        }
        return where.equals("cpu") ? null : settings.path(key);
    }

    /** As in transformers, fewer steps than one are a share of all. */
    private boolean warmupIsShare() {
        settings.number("warmup_ratio", 0, 0, 1); // checked and known even where the other one decides
        double steps = settings.number("warmup_steps", 0, 0, Integer.MAX_VALUE);
        return steps > 0 && steps < 1;
    }

    /** One seed decides everything here, also what transformers gives a seed of its own. */
    private long seed() {
        int seed = settings.integer("seed", 42);
        if (settings.integer("data_seed", seed) != seed) {
            throw settings.invalid(
                    "data_seed", "the value of seed, " + seed + ": it decides the order of the data too");
        }
        return seed;
    }

    /** {@code true}, or transformers' path of the checkpoint to go on from, which is the latest of this run. */
    private boolean resume(Path output) {
        String value = settings.text("resume_from_checkpoint").orElse("false");
        if (value.equals("true") || value.equals("false")) {
            return Boolean.parseBoolean(value);
        }
        Path named = settings.path("resume_from_checkpoint").toAbsolutePath().normalize();
        Path run = output.toAbsolutePath().normalize();
        boolean isLatest = Files.isDirectory(named) && run.equals(named.getParent()) && named.equals(latest(run));
        if (!isLatest) {
            throw settings.invalid(
                    "resume_from_checkpoint",
                    "true, or the latest checkpoint of " + output + ", where a run always goes on");
        }
        return true;
    }

    private static Path latest(Path run) {
        List<Path> checkpoints = Candidates.checkpoints(run);
        return checkpoints.get(checkpoints.size() - 1);
    }

    private LearningRateSchedule schedule(double learningRate) {
        String name = settings.text("lr_scheduler_type").orElse("linear");
        ScheduleOptions options = new ScheduleOptions(texts("lr_scheduler_kwargs"), learningRate);
        return Choices.naming(settings, "lr_scheduler_type", () -> LearningRateSchedule.named(name, options));
    }

    private OptimizerOptions optimizer() {
        String name = settings.text("optim").orElse("adamw");
        OptimizerProvider provider = Choices.naming(settings, "optim", () -> OptimizerProvider.named(name));
        return new OptimizerOptions(
                provider.names().get(0),
                settings.number("adam_beta1", 0.9, 0, 1),
                settings.number("adam_beta2", 0.999, 0, 1),
                settings.number("adam_epsilon", 1e-8, 0, 1),
                settings.number("momentum", 0, 0, 1),
                optimizerArguments());
    }

    /** {@code optim_args}, and {@code optim_target_modules} among them. */
    private Map<String, String> optimizerArguments() {
        Map<String, String> arguments = texts("optim_args");
        List<String> targets = settings.texts("optim_target_modules");
        if (!targets.isEmpty()) {
            arguments.put("optim_target_modules", String.join(",", targets));
        }
        return arguments;
    }

    private ModelSelection selection(List<Score> ofObjective) {
        List<String> metrics = ModelSelection.metricsNamed(settings.texts("eval_metrics"));
        String best = settings.text("metric_for_best_model").orElse("loss");
        String name = best.startsWith("eval_") ? best.substring("eval_".length()) : best;
        boolean greater = ofObjective.stream()
                .filter(score -> score.name().equals(name))
                .findFirst()
                .map(Score::greaterIsBetter)
                .orElse(!name.equals("loss") && !name.equals("perplexity"));
        return new ModelSelection(
                metrics,
                name,
                settings.flag("greater_is_better", greater),
                settings.flag("load_best_model_at_end", false),
                settings.integer("early_stopping_patience", 0, 0),
                settings.number("early_stopping_threshold", 0, 0, 1e9),
                settings.integer("eval_max_new_tokens", 64, 1, 1 << 20),
                settings.integer("eval_generated_samples", 0, 0),
                ofObjective);
    }

    /** {@code true} writes kept activations below the output directory, a path below another one. */
    private @Nullable Path offloading(Path output) {
        Object value = settings.value("activation_offloading").orElse(false);
        if (value instanceof Boolean flag && !flag) {
            return null;
        }
        if (checkpointing() == 0) {
            throw settings.invalid("activation_offloading", "gradient_checkpointing: true beside it");
        }
        return value instanceof Boolean ? output : settings.path("activation_offloading");
    }

    /** {@code true} keeps one activation a layer, a number one for so many layers. */
    private int checkpointing() {
        Object value = settings.value("gradient_checkpointing").orElse(false);
        if (value instanceof Boolean flag) {
            return flag ? 1 : 0;
        }
        return settings.integer("gradient_checkpointing", 0, 0);
    }

    /** A map, or transformers' {@code key=value,key=value}. */
    private Map<String, String> texts(String key) {
        Map<String, String> texts = new LinkedHashMap<>();
        Object value = settings.value(key).orElse(Map.of());
        if (value instanceof String text && text.strip().startsWith("{")) {
            value = TrainingConfig.value(key, text); // transformers takes JSON in a text, too
        }
        if (value instanceof Map<?, ?> map) {
            map.forEach((name, element) -> texts.put(String.valueOf(name), String.valueOf(element)));
            return texts;
        }
        for (String part : value.toString().split(",")) {
            int equals = part.indexOf('=');
            if (equals < 1) {
                throw settings.invalid(key, "names with values, such as {momentum: 0.95} or momentum=0.95");
            }
            texts.put(
                    part.substring(0, equals).strip(),
                    part.substring(equals + 1).strip());
        }
        return texts;
    }
}
