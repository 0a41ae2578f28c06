package org.finetune4j.dist.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.dist.Parallelism;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.dist.pipeline.PipelineOptions;
import org.finetune4j.dist.pipeline.PipelineSchedule;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.OffloadOptions;
import org.finetune4j.train.arguments.ShardingOptions;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.offload.MappedBytes;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files of ranks that offload, as Linux counts them, beside what a plan says of them. */
class OffloadedBytesTest {

    /** Matrices and their halves and quarters are whole pages. */
    private static final String CONFIG = PlannerTest.llama(128, 320, 2, 4, 4, 512);

    @TempDir
    Path directory;

    @ParameterizedTest(name = "{0}, stage {1}, states {2}, weights {3}, {4}")
    @CsvSource({
        "dp=1, 0, true, true, FLOAT32",
        "dp=1, 0, true, false, BFLOAT16",
        "dp=2, 0, true, false, FLOAT32",
        "dp=2, 1, true, true, FLOAT32",
        "dp=2, 2, true, false, BFLOAT16",
        "dp=4, 3, true, true, FLOAT32",
        "dp=2, 3, false, true, FLOAT32",
        "tp=2, 0, true, true, FLOAT32",
        "'dp=2,tp=2', 1, true, true, FLOAT32",
        "'dp=2,tp=2', 3, false, true, FLOAT32",
        "pp=2, 0, true, true, FLOAT32",
    })
    void ranksHaveInFilesWhatThePlanSays(String mesh, int stage, boolean states, boolean weights, DType dtype)
            throws Exception {
        Path model = Files.createDirectory(directory.resolve("model"));
        Path files = Files.createDirectory(directory.resolve("files"));
        LoadOptions load = new LoadOptions(Device.CPU, dtype).withComputeDType(dtype);
        try (CausalLM fresh = CausalLM.initialize(ModelConfig.parse(CONFIG, "test"), null, load, 1)) {
            fresh.save(model);
        }
        int ranks = Integer.parseInt(mesh.substring(3, 4)) * (mesh.length() > 4 ? 2 : 1);
        MeshShape shape = MeshShape.parse(mesh, ranks);
        TrainingArguments arguments = TrainingArguments.builder()
                .batchSize(1)
                .gradientAccumulationSteps(4)
                .maxSteps(3)
                .sharding(ShardingOptions.ofStage(stage))
                .offload(new OffloadOptions(states ? files : null, weights ? files : null, 0))
                .build();
        List<MappedBytes> measured = new ArrayList<>();
        LocalRanks.run(
                ranks,
                Duration.ofMinutes(2),
                world -> train(model, load, shape, world, arguments, () -> {
                    measured.add(MappedBytes.below(files));
                }));
        Proposal planned = planned(dtype, shape, stage, arguments);
        assertEquals(planned.inFiles(), measured.get(1).bytes() / (double) ranks, 0.02 * planned.inFiles());
        long inMemory = planned.inFiles()
                - planned.memory().offloaded()
                - (states ? planned.memory().optimizerState() - planned.memory().optimizerResident() : 0);
        assertTrue(inMemory < planned.inFiles() / 2, "a segment at a time: " + inMemory);
    }

    private static Proposal planned(DType dtype, MeshShape mesh, int stage, TrainingArguments arguments) {
        try (CausalLM shapes = CausalLM.shapes(ModelConfig.parse(CONFIG, "test"), dtype);
                AttachedStrategy attached = new FullFineTuning().attach(shapes)) {
            Layout layout = new Layout(mesh.data(), mesh.tensor(), mesh.pipeline(), 1, stage, 1, 4, false, false);
            Cluster cluster = new Cluster(mesh.ranks(), 1L << 30, Cluster.USUAL_HOST, 1e12, 1e9, 1e9);
            return Proposal.of(new TrainingShape(shapes, attached, arguments, 32, 0), layout, cluster);
        }
    }

    private static void train(
            Path model,
            LoadOptions load,
            MeshShape shape,
            Communicator world,
            TrainingArguments arguments,
            Runnable afterStep) {
        try (Parallelism ranks =
                        new Parallelism(shape, world, PipelineOptions.of(PipelineSchedule.ONE_FORWARD_ONE_BACKWARD));
                CausalLM share = CausalLM.load(model, ranks.share(load));
                TrainingResult result = FineTuner.of(share)
                        .strategy(new FullFineTuning())
                        .dataset(new SyntheticSamples(12, 199, 1))
                        .arguments(arguments)
                        .group(ranks.training())
                        .messages(line -> {})
                        .listener(new TrainingListener() {
                            @Override
                            public void onStep(StepMetrics metrics) {
                                afterStep.run();
                            }
                        })
                        .train()) {
            world.barrier();
        }
    }
}
