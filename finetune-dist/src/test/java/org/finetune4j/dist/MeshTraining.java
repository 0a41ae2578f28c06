package org.finetune4j.dist;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.finetune4j.Settings;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.dist.pipeline.PipelineOptions;
import org.finetune4j.dist.pipeline.PipelineSchedule;
import org.finetune4j.dist.zero.DataParallelMembership;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraInitialization;
import org.finetune4j.quant.Quantization;
import org.finetune4j.quant.QuantizationType;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.ShardingOptions;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.group.TrainingGroup;
import org.finetune4j.train.health.TrainingStatistics;

/**
 * Ten steps of one process, and of the ranks of a mesh, each a thread with its share of the model: losses, norms, and the files that
 * are written.
 *
 * @param model of the tiny ones; with {@code +balance} that of its experts is part of the loss, with {@code +dropout} layers and
 *     LoRA drop a third
 * @param method full, lora, qlora, or another one as it is unless set; freeze trains the layers after the first one
 * @param stage of ZeRO
 * @param exact in double precision: Adam makes full steps of rounding noise where a gradient should be zero
 * @param pipeline how batches go through stages
 * @param dividesSequence whether ranks with slices have some of the tokens each between the blocks
 * @param change of the arguments
 */
public record MeshTraining(
        String model,
        String method,
        int stage,
        boolean exact,
        PipelineOptions pipeline,
        boolean dividesSequence,
        UnaryOperator<TrainingArgumentsBuilder> change) {

    private static final Duration PATIENCE = Duration.ofMinutes(2);
    /** Each method reads its own. */
    private static final Map<String, Object> SETTINGS = Map.of("freeze_layers", 1, "num_virtual_tokens", 3, "r", 4);

    private static final String BALANCE = "+balance";
    private static final String DROPOUT = "+dropout";

    /** One forwards, one backwards. */
    public MeshTraining(String model, String method, int stage, boolean exact) {
        this(
                model,
                method,
                stage,
                exact,
                PipelineOptions.of(PipelineSchedule.ONE_FORWARD_ONE_BACKWARD),
                false,
                arguments -> arguments);
    }

    /** With another schedule. */
    public MeshTraining by(PipelineOptions options) {
        return new MeshTraining(model, method, stage, exact, options, dividesSequence, change);
    }

    /** With some of the tokens on every rank that has slices, between the blocks. */
    public MeshTraining dividingSequences() {
        return new MeshTraining(model, method, stage, exact, pipeline, true, change);
    }

    /** With other arguments. */
    public MeshTraining with(UnaryOperator<TrainingArgumentsBuilder> further) {
        return new MeshTraining(
                model, method, stage, exact, pipeline, dividesSequence, before -> further.apply(change.apply(before)));
    }

    private CausalLM load(UnaryOperator<LoadOptions> share) {
        LoadOptions plain = share.apply(LoadOptions.defaults());
        LoadOptions held = method.equals("qlora")
                ? plain.withCompression(Quantization.of(QuantizationType.NF4).compression())
                : plain;
        LoadOptions options = exact ? held.inDoublePrecision() : held;
        if (model.endsWith(DROPOUT)) {
            return TinyModels.loadWithDropout(model.replace(DROPOUT, ""), options);
        }
        return model.endsWith(BALANCE)
                ? TinyModels.loadWithExpertBalance(model.replace(BALANCE, ""), options)
                : TinyModels.load(model, options);
    }

    private FineTuningStrategy strategy() {
        return switch (method) {
            case "full" -> new FullFineTuning();
            case "lora", "qlora", "dora", "lora_fa" ->
                Lora.builder()
                        .frozenA(method.equals("lora_fa"))
                        .useDora(method.equals("dora"))
                        .rank(4)
                        .alpha(8)
                        .dropout(model.endsWith(DROPOUT) ? 0.3 : 0)
                        .targetModules("all-linear")
                        .build();
            case "pissa", "olora" ->
                Lora.builder()
                        .rank(4)
                        .alpha(8)
                        .targetModules("all-linear")
                        .initialization(LoraInitialization.valueOf(method.toUpperCase(Locale.ROOT)))
                        .build();
            default -> FineTuningMethod.named(method).create(new Settings("test", SETTINGS));
        };
    }

    private List<StepMetrics> run(CausalLM loaded, TrainingGroup group, Path output, Path saved) {
        return run(loaded, group, output, saved, statistics -> {});
    }

    private List<StepMetrics> run(
            CausalLM loaded, TrainingGroup group, Path output, Path saved, Consumer<TrainingStatistics> sizes) {
        List<StepMetrics> seen = new ArrayList<>();
        TrainingArguments arguments = change.apply(TrainingArguments.builder()
                        .batchSize(2)
                        .gradientAccumulationSteps(2)
                        .maxSteps(10)
                        .learningRate(1e-3)
                        .weightDecay(0.01)
                        .saveSteps(5)
                        .saveTotalLimit(3)
                        .outputDirectory(output)
                        .sharding(new ShardingOptions(stage, 1 << 16)))
                .build();
        try (TrainingResult result = FineTuner.of(loaded)
                .strategy(strategy())
                .dataset(new SyntheticSamples(13, 199, 1))
                .arguments(arguments)
                .group(group)
                .messages(line -> {})
                .listener(new TrainingListener() {
                    @Override
                    public void onStep(StepMetrics metrics) {
                        seen.add(metrics);
                    }

                    @Override
                    public void onStatistics(TrainingStatistics statistics) {
                        sizes.accept(statistics);
                    }
                })
                .train()) {
            result.onFirst(() -> result.strategy().save(saved));
        }
        return seen;
    }

    /** By one process. */
    public List<StepMetrics> alone(Path output, Path saved) {
        try (CausalLM loaded = load(options -> options)) {
            return run(loaded, TrainingGroup.alone(), output, saved);
        }
    }

    /** By the ranks of a mesh. */
    public List<StepMetrics> on(MeshShape mesh, Path output, Path saved) {
        return LocalRanks.call(mesh.ranks(), PATIENCE, world -> {
                    try (Parallelism ranks = new Parallelism(mesh, world, pipeline, dividesSequence);
                            CausalLM share = load(ranks::share)) {
                        return run(share, ranks.training(), output, saved);
                    }
                })
                .get(0);
    }

    /** Sizes of gradients and activations, by one process or by the ranks of a mesh. */
    public List<TrainingStatistics> statisticsOn(MeshShape mesh, Path output) {
        return LocalRanks.call(mesh.ranks(), PATIENCE, world -> {
                    List<TrainingStatistics> found = new ArrayList<>();
                    try (Parallelism ranks = new Parallelism(mesh, world, pipeline, dividesSequence);
                            CausalLM share = load(ranks::share)) {
                        run(share, ranks.training(), output, output.resolve("saved"), found::add);
                    }
                    return found;
                })
                .get(0);
    }

    /** What each rank of a mesh holds of the model and the method when a run begins, in bytes. */
    public List<Long> heldOn(MeshShape mesh) {
        return LocalRanks.call(mesh.ranks(), PATIENCE, world -> {
            try (Parallelism ranks = new Parallelism(mesh, world, pipeline, dividesSequence);
                    CausalLM share = load(ranks::share);
                    AttachedStrategy attached = strategy().attach(share);
                    Membership membership = ranks.training()
                            .join(share, attached, TrainingArguments.builder().build())) {
                return ((DataParallelMembership) membership).heldBytes().parameters();
            }
        });
    }

    /** Trains both ways and compares all that they give. */
    public void requireSameOn(MeshShape mesh, Path directory) {
        List<StepMetrics> expected = alone(directory.resolve("a"), directory.resolve("whole"));
        requireSame(expected, on(mesh, directory.resolve("b"), directory.resolve("gathered")));
        requireSameFiles(
                directory.resolve("whole"),
                directory.resolve("gathered"),
                exact || method.equals("full") ? 1e-5 : 2e-4);
    }

    /** A run of ranks goes on from what one process saved, and the other way round. */
    public void requireSameResumedOn(MeshShape mesh, Path directory) throws IOException {
        MeshTraining resumed = with(arguments -> arguments.resume(true));
        List<StepMetrics> expected = alone(directory.resolve("a"), directory.resolve("whole"));
        on(mesh, directory.resolve("b"), directory.resolve("gathered"));
        for (String output : List.of("a", "b")) {
            deleteCheckpoint(directory.resolve(output), 10);
        }
        List<StepMetrics> fromWhole = resumed.on(mesh, directory.resolve("a"), directory.resolve("c"));
        List<StepMetrics> fromShares = resumed.alone(directory.resolve("b"), directory.resolve("d"));
        requireSame(expected.subList(5, 10), fromWhole);
        requireSame(expected.subList(5, 10), fromShares);
        requireSameFiles(directory.resolve("whole"), directory.resolve("c"), 1e-5);
        requireSameFiles(directory.resolve("whole"), directory.resolve("d"), 1e-5);
    }

    /** The same losses and norms to five digits. */
    public static void requireSame(List<StepMetrics> expected, List<StepMetrics> found) {
        assertEquals(expected.size(), found.size());
        for (int i = 0; i < expected.size(); i++) {
            StepMetrics step = expected.get(i);
            assertEquals(step.loss(), found.get(i).loss(), 1e-5 * step.loss(), "loss of step " + (i + 1));
            assertEquals(
                    step.gradientNorm(),
                    found.get(i).gradientNorm(),
                    1e-5 * step.gradientNorm(),
                    "norm of step " + (i + 1));
            Map<String, Double> measured = found.get(i).metrics();
            step.metrics().forEach((name, value) -> {
                if (name.startsWith("experts/")) { // of all layers, whichever rank has them
                    assertEquals(value, measured.get(name), 1e-6, name);
                }
            });
        }
    }

    private static Map<String, float[]> weights(Path saved) {
        Map<String, float[]> weights = new LinkedHashMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(Stream.of("adapter_model", "adapter", "model")
                        .map(name -> saved.resolve(name + ".safetensors"))
                        .filter(Files::exists)
                        .findFirst()
                        .orElseThrow());
                TensorScope scope = TensorScope.open()) {
            for (String name : file.names()) {
                weights.put(name, file.tensor(name).to(DType.FLOAT32).toFloatArray());
            }
        }
        return weights;
    }

    /** Adam makes full steps of rounding noise where a gradient is nearly zero, as that of LoRA's A at first. */
    private static void requireSameFiles(Path expected, Path found, double limit) {
        Map<String, float[]> whole = weights(expected);
        Map<String, float[]> gathered = weights(found);
        assertEquals(whole.keySet(), gathered.keySet());
        whole.forEach((name, values) -> {
            float[] other = gathered.get(name);
            double difference = 0;
            double size = 0;
            for (int i = 0; i < values.length; i++) {
                difference += Math.pow((double) values[i] - other[i], 2);
                size += Math.pow(values[i], 2);
            }
            double relative = Math.sqrt(difference / Math.max(size, 1e-30));
            assertTrue(relative <= limit, () -> name + " differs by " + relative);
        });
    }

    private static void deleteCheckpoint(Path output, int step) throws IOException {
        try (Stream<Path> files = Files.walk(output.resolve("checkpoint-" + step))) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }
}
