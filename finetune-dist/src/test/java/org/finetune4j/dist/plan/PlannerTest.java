package org.finetune4j.dist.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.SegmentFactory;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.memory.MemoryPlan;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PlannerTest {

    private static final long GB = 1_000_000_000L;
    private static final int LENGTH = 2048;

    static String llama(int hidden, int intermediate, int layers, int heads, int keyHeads, int vocabulary) {
        return String.format(
                Locale.ROOT,
                "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"vocab_size\": %d,"
                        + " \"hidden_size\": %d, \"intermediate_size\": %d, \"num_hidden_layers\": %d,"
                        + " \"num_attention_heads\": %d, \"num_key_value_heads\": %d, \"max_position_embeddings\": 4096,"
                        + " \"tie_word_embeddings\": false}",
                vocabulary,
                hidden,
                intermediate,
                layers,
                heads,
                keyHeads);
    }

    private static final String SEVEN = llama(4096, 11008, 32, 32, 32, 32000);
    private static final String SMALL = llama(64, 128, 4, 4, 4, 100);

    private static Cluster cluster(int devices, long gigabytes) {
        return new Cluster(devices, gigabytes * GB, Cluster.USUAL_HOST, 200e12, 200e9, 25e9);
    }

    private static <T> T with(String config, DType dtype, java.util.function.Function<TrainingShape, T> use) {
        try (CausalLM model = CausalLM.shapes(ModelConfig.parse(config, "test"), dtype);
                AttachedStrategy attached = new FullFineTuning().attach(model)) {
            return use.apply(new TrainingShape(model, attached, TrainingArguments.defaults(), LENGTH, 0));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "4096, 11008, 32, 32, 32, 32000, 6738415616",
        "5120, 13824, 40, 40, 40, 32000, 13015864320",
        "8192, 28672, 80, 64, 8, 32000, 68976648192"
    })
    void knowsModelsFromTheirConfigurationAlone(
            int hidden, int intermediate, int layers, int heads, int keyHeads, int vocabulary, long parameters) {
        String config = llama(hidden, intermediate, layers, heads, keyHeads, vocabulary);
        assertEquals(parameters, with(config, DType.BFLOAT16, TrainingShape::parameters));
    }

    /** 2 bytes of weight, 2 of gradient, 4 + 4 + 4 of master and Adam: 16, as in the paper; and 4 + 4 + 8 in float32. */
    @ParameterizedTest
    @CsvSource({"BFLOAT16, 12, 2", "FLOAT32, 8, 4"})
    void sharesWhatThePaperShares(DType dtype, int optimizer, int number) {
        int devices = 64;
        List<Planner.StageMemory> stages = with(SEVEN, dtype, shape -> new Planner(shape, 64).stages(devices));
        double parameters = 6_738_415_616.0;
        assertEquals(16 * parameters, stages.get(0).bytes(), 1);
        assertEquals(
                (2.0 * number + optimizer / 64.0) * parameters, stages.get(1).bytes(), 1);
        assertEquals(
                (number + (number + optimizer) / 64.0) * parameters,
                stages.get(2).bytes(),
                1);
        assertEquals(16 * parameters / devices, stages.get(3).bytes(), 1);
        assertEquals(1 - 1.0 / devices, stages.get(3).saved(), 1e-9);
    }

    @Test
    void oneDeviceNeedsWhatCorePlansForIt() {
        try (CausalLM model = CausalLM.shapes(ModelConfig.parse(SMALL, "test"), DType.FLOAT32);
                AttachedStrategy attached = new FullFineTuning().attach(model)) {
            TrainingArguments arguments = TrainingArguments.defaults();
            TrainingShape shape = new TrainingShape(model, attached, arguments, LENGTH, 1000);
            MemoryPlan expected = MemoryPlan.of(
                    model,
                    attached,
                    arguments,
                    GradientCheckpointing.none(),
                    SegmentFactory.autograd(),
                    new MemoryPlan.Load(4, LENGTH),
                    1000);
            assertEquals(expected, ShardedMemory.of(shape, new Layout(1, 1, 1, 1, 0, 4, 1, false, false)));
        }
    }

    @Test
    void shapesHaveTheMemoryOfTheModelThatTheyStandFor() {
        ModelConfig config = ModelConfig.parse(SMALL, "test");
        try (CausalLM real = CausalLM.initialize(config, null, org.finetune4j.tensor.Device.CPU, 0);
                AttachedStrategy attached = new FullFineTuning().attach(real)) {
            TrainingArguments arguments = TrainingArguments.defaults();
            TrainingShape shape = new TrainingShape(real, attached, arguments, LENGTH, 0);
            assertEquals(shape.alone(2), with(SMALL, DType.FLOAT32, shapes -> shapes.alone(2)));
        }
    }

    /** 4 layers of 4 * 64 * 64 + 3 * 64 * 128 + 2 * 64 scalars, two tables of 100 * 64, a norm of 64; 4 bytes each. */
    @Test
    void countsWhatIsSentByHand() {
        long scalars = 4 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 2 * 100 * 64 + 64;
        double bytes = 4.0 * scalars;
        assertEquals(0.75 * 2 * bytes, sent(4, 1, 1, 1, 3), 1e-6);
        assertEquals(0.75 * (3 + 1) * bytes, sent(4, 1, 1, 2, 3), 1e-6);
        double table = 4.0 * 100 * 64;
        double kept = 2 * 4.0 * (4 * 64 * 64 + 3 * 64 * 128 + 2 * 64) + 2 * table;
        assertEquals(0.75 * 3 * (3 * bytes - kept), sent(4, 1, 1, 3, 3), 1e-6);
        String tied = SMALL.replace("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
        assertEquals(0.75 * (3 + 1) * (bytes - table), sent(tied, new Layout(4, 1, 1, 1, 2, 1, 3, false, false)), 1e-6);
        assertEquals(
                0.75 * 3 * (3 * (bytes - table) - (kept - table)),
                sent(tied, new Layout(4, 1, 1, 1, 3, 1, 3, false, false)),
                1e-6);
        double stream = 4.0 * 64 * LENGTH * 3;
        assertEquals(2 * 0.5 * 4 * 4 * stream, sent(1, 2, 1, 0, 3), 1e-6);
        assertEquals(2 * stream, sent(1, 1, 2, 0, 3), 1e-6);
    }

    private static double sent(int data, int tensor, int pipeline, int stage, int batches) {
        return sent(SMALL, new Layout(data, tensor, pipeline, 1, stage, 1, batches, false, false));
    }

    private static double sent(String config, Layout layout) {
        ToDoubleFunction<TrainingShape> bytes = shape ->
                StepEstimate.of(shape, layout, cluster(layout.devices(), 80)).bytes();
        return with(config, DType.FLOAT32, bytes::applyAsDouble);
    }

    /** Mixtral's layers: experts' weights and states on ep devices, tokens to two experts each and back. */
    @Test
    void expertsOfAMixtureAreSharedOut() {
        String mixture = SMALL.replace("LlamaForCausalLM", "MixtralForCausalLM")
                .replaceFirst("\\{", "{\"num_local_experts\": 4, \"num_experts_per_tok\": 2, ");
        with(mixture, DType.FLOAT32, shape -> {
            Layout copies = new Layout(4, 1, 1, 1, 0, 1, 1, false, false);
            Layout shared = new Layout(4, 1, 1, 2, 0, 1, 1, false, false);
            double experts = 4.0 * 4 * 4 * 3 * 64 * 128;
            assertEquals(experts, shape.experts().weights(), 0);
            assertEquals(
                    ShardedMemory.of(shape, copies).weights() - experts / 2,
                    ShardedMemory.of(shape, shared).weights(),
                    8);
            double all = shape.all().weights();
            StepEstimate step = StepEstimate.of(shape, shared, cluster(4, 80));
            assertEquals(2 * (0.75 * (all - experts) + 0.5 * experts / 2), step.dataBytes(), 1e-6);
            assertEquals(0.5 * 4 * 4 * 2 * 4.0 * 64 * LENGTH, step.expertBytes(), 1e-6);
            assertTrue(new Planner(shape, 8)
                    .candidates(cluster(4, 80)).stream()
                            .anyMatch(proposal -> proposal.layout().mesh().equals("dp=4,tp=1,pp=1,ep=4")));
            return shape;
        });
    }

    @Test
    void aPipelineWaitsAsItsFormulaSays() {
        Layout layout = new Layout(1, 1, 4, 1, 0, 1, 12, false, false);
        assertEquals(3.0 / 15, layout.bubble(), 1e-12);
        StepEstimate step = with(SEVEN, DType.BFLOAT16, shape -> StepEstimate.of(shape, layout, cluster(4, 80)));
        assertEquals(layout.bubble(), step.bubbleSeconds() / (step.bubbleSeconds() + step.computeSeconds()), 1e-9);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void moreDevicesNeverNeedMoreMemoryEach(int stage) {
        with(SEVEN, DType.BFLOAT16, shape -> {
            long before = Long.MAX_VALUE;
            for (int devices = 1; devices <= 4096; devices *= 2) {
                long peak = ShardedMemory.of(shape, new Layout(devices, 1, 1, 1, stage, 1, 1, true, false))
                        .peak();
                // From one device to two, a segment is gathered for the first time.
                assertTrue(peak <= before || devices == 2, devices + " devices");
                before = peak;
            }
            return before;
        });
    }

    @Test
    void higherStagesNeverHoldMore() {
        List<Planner.StageMemory> stages = with(SEVEN, DType.BFLOAT16, shape -> new Planner(shape, 8).stages(8));
        for (int stage = 1; stage < stages.size(); stage++) {
            assertTrue(stages.get(stage).bytes() < stages.get(stage - 1).bytes());
        }
    }

    @Test
    void theLeastMemoryFallsFromOneToThousandsOfDevices() {
        with(SEVEN, DType.BFLOAT16, shape -> {
            Planner planner = new Planner(shape, 256);
            long before = Long.MAX_VALUE;
            for (int devices = 1; devices <= 4096; devices *= 2) {
                long least = planner.smallest(cluster(devices, 80)).memory().peak();
                assertTrue(least <= before, devices + " devices");
                before = least;
            }
            return before;
        });
    }

    @Test
    void whatIsProposedFitsAndTakesTheDevices() {
        with(SEVEN, DType.BFLOAT16, shape -> {
            Planner planner = new Planner(shape, 256);
            assertTrue(planner.best(cluster(1, 80)).isEmpty(), "7B with Adam needs 108 GB alone");
            for (int devices = 2; devices <= 1024; devices *= 2) {
                Proposal best = planner.best(cluster(devices, 80)).orElseThrow();
                assertEquals(devices, best.layout().devices());
                assertTrue(best.fits(80 * GB));
                assertTrue(
                        best.layout().pipelineParallel() == 1 || best.layout().zeroStage() <= 1);
            }
            return planner;
        });
    }

    @Test
    void checkpointingNeedsLessAndTakesLonger() {
        with(SEVEN, DType.BFLOAT16, shape -> {
            Proposal kept = Proposal.of(shape, new Layout(8, 1, 1, 1, 3, 4, 1, false, false), cluster(8, 80));
            Proposal again = Proposal.of(shape, new Layout(8, 1, 1, 1, 3, 4, 1, true, false), cluster(8, 80));
            assertTrue(again.memory().activations() < kept.memory().activations() / 4);
            assertTrue(again.step().seconds() > kept.step().seconds());
            return shape;
        });
    }

    @Test
    void drawsThePageWithoutAnythingFromElsewhere(@TempDir Path directory) throws Exception {
        Path page = directory.resolve("plan.html");
        with(SMALL, DType.FLOAT32, shape -> {
            new TrainingPlanReport("a <model>", shape, 8, cluster(4, 1)).writePage(page);
            return shape;
        });
        String html = Files.readString(page);
        assertTrue(html.contains("a &lt;model&gt; on 4 devices") && html.contains("<circle"), html);
        assertTrue(!html.contains("http://") && !html.contains("https://"), "nothing is loaded");
    }
}
