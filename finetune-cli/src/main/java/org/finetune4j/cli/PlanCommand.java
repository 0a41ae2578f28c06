package org.finetune4j.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.finetune4j.InputFiles;
import org.finetune4j.Json;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.plan.Cluster;
import org.finetune4j.dist.plan.Planner;
import org.finetune4j.dist.plan.TrainingPlanReport;
import org.finetune4j.dist.plan.TrainingShape;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.quant.Quantization;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.memory.MemoryPlan;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Proposes how to spread a training over devices, from shapes alone: no weights are read. */
@Command(
        name = "plan",
        mixinStandardHelpOptions = true,
        description =
                "Proposes mesh, ZeRO stage, micro-batch and checkpointing for a model on a number of devices, with the"
                        + " memory, communication and time that formulas say.")
final class PlanCommand implements Callable<Integer> {

    private static final int USUAL_LENGTH = 2048;
    private static final int USUAL_BATCH = 256;

    @Option(
            names = "--model",
            required = true,
            paramLabel = "CONFIG",
            description = "A model directory, its config.json, or the YAML of a training.")
    private Path model;

    @Mixin
    private ClusterOptions cluster;

    @Option(
            names = "--sequence-length",
            paramLabel = "TOKENS",
            description = "Of a row; else the configuration's max_length, or what the model sees, 2048 at most.")
    private @Nullable Integer sequenceLength;

    @Option(
            names = "--batch",
            paramLabel = "SAMPLES",
            description = "Of an update, over all devices; else the configuration's, or 256.")
    private @Nullable Integer batch;

    @Option(
            names = "--dtype",
            defaultValue = "bfloat16",
            description = "Of the weights: bfloat16 with float32 masters, or float32 (default: ${DEFAULT-VALUE}).")
    private String dtype;

    @Option(
            names = "--offload-optimizer",
            paramLabel = "none|cpu|DIRECTORY",
            description = "As the configuration's offload_optimizer: states are in files of that directory.")
    private @Nullable String offloadOptimizer;

    @Option(
            names = "--offload-param",
            paramLabel = "none|cpu|DIRECTORY",
            description = "As the configuration's offload_param: weights are in files of that directory.")
    private @Nullable String offloadParam;

    @Option(
            names = "--sequence-parallel",
            arity = "1",
            paramLabel = "true|false",
            description = "As the configuration's sequence_parallel; both are looked at where neither says it.")
    private @Nullable Boolean sequenceParallel;

    @Option(names = "--html", paramLabel = "FILE", description = "Write a page with the trade-off drawn.")
    private @Nullable Path html;

    @Option(names = "--json", description = "Print one JSON line.")
    private boolean json;

    @Parameters(index = "0..*", paramLabel = "key=value", description = "Values that go before those in the YAML.")
    private List<String> overrides = new ArrayList<>();

    @Override
    public Integer call() {
        Cluster devices = cluster.cluster();
        DType stored = DType.parseChoice("--dtype", dtype).orElse(DType.BFLOAT16);
        String file = String.valueOf(model.getFileName());
        if (file.endsWith(".yaml") || file.endsWith(".yml")) {
            ofTraining(stored, devices);
            return 0;
        }
        if (!overrides.isEmpty()) {
            throw new UserErrorException(
                    "'" + overrides.get(0) + "': values are for a training's YAML, and " + model + " is a model");
        }
        plan(
                config(model),
                new FullFineTuning(),
                TrainingArguments.builder()
                        .offload(TrainingArgumentsReader.offload(new Settings("plan", given())))
                        .build(),
                length(0),
                samples(USUAL_BATCH),
                stored,
                new Planning(sequenceParallel, devices));
        return 0;
    }

    /** What options say that are keys of a configuration. */
    private Map<String, Object> given() {
        Map<String, Object> given = new LinkedHashMap<>();
        if (offloadOptimizer != null) {
            given.put("offload_optimizer", offloadOptimizer);
        }
        if (offloadParam != null) {
            given.put("offload_param", offloadParam);
        }
        if (sequenceParallel != null) {
            given.put("sequence_parallel", sequenceParallel);
        }
        return given;
    }

    /** @param sequenceParallel null to look at both */
    private record Planning(@Nullable Boolean sequenceParallel, Cluster cluster) {}

    private void ofTraining(DType stored, Cluster cluster) {
        List<String> values = new ArrayList<>(overrides);
        given().forEach((key, value) -> values.add(key + "=" + value));
        Settings settings = TrainingConfig.read(model, values);
        TrainingSettings training = TrainingSettings.of(settings);
        if (Quantization.of(settings).isPresent()) {
            throw new UserErrorException(settings.origin()
                    + ": plans are made for weights in 16 and 32 bits, and this configuration packs them in fewer:"
                    + " ./finetune validate shows what one device needs");
        }
        TrainingArguments arguments = training.arguments();
        plan(
                config(HubModels.directory(training.modelNameOrPath())),
                training.strategy(),
                arguments,
                length(settings.integer("max_length", 0)),
                samples(arguments.perDeviceTrainBatchSize() * arguments.gradientAccumulationSteps()),
                stored,
                new Planning(
                        settings.value("sequence_parallel").isPresent()
                                ? training.parallel().sequenceParallel()
                                : null,
                        cluster));
    }

    private void plan(
            ModelConfig config,
            FineTuningStrategy strategy,
            TrainingArguments arguments,
            int length,
            int samples,
            DType stored,
            Planning planning) {
        try (CausalLM shapes = CausalLM.shapes(config, stored);
                AttachedStrategy attached = strategy.attach(shapes)) {
            int longest = shapes.network().maxPositions();
            int tokens = length > 0 ? length : Math.min(USUAL_LENGTH, longest);
            TrainingShape shape = new TrainingShape(shapes, attached, arguments, tokens, MemoryPlan.TYPICAL_PROCESS);
            Planner planner = new Planner(shape, samples, planning.sequenceParallel);
            show(new TrainingPlanReport(name(config), shape, planner, planning.cluster));
        }
    }

    private void show(TrainingPlanReport report) {
        if (html != null) {
            report.writePage(html);
        }
        if (report.best().isEmpty()) {
            throw new UserErrorException(report.nothingFits());
        }
        if (json) {
            System.out.println(Json.write(report.values()));
            return;
        }
        System.out.println(report.summary());
        System.out.println();
        report.layoutLines().forEach(System.out::println);
        System.out.println();
        report.stageLines().forEach(System.out::println);
        System.out.println();
        report.deviceLines().forEach(System.out::println);
    }

    private static String name(ModelConfig config) {
        String name = config.text("_name_or_path", "");
        return name.isEmpty() ? config.architecture() : name;
    }

    /** What a model directory or a config.json says. */
    static ModelConfig config(Path given) {
        if (Files.isDirectory(given)) {
            return ModelConfig.load(given);
        }
        if (!Files.exists(given)) {
            throw new UserErrorException("--model: there is no " + given
                    + ": expected a model directory, its config.json or the YAML of a training");
        }
        return ModelConfig.parse(InputFiles.text(given), given.toString());
    }

    private int length(int configured) {
        return sequenceLength == null
                ? Math.max(0, configured)
                : ClusterOptions.atLeastOne("--sequence-length", sequenceLength);
    }

    private int samples(int configured) {
        return batch == null ? configured : ClusterOptions.atLeastOne("--batch", batch);
    }
}
