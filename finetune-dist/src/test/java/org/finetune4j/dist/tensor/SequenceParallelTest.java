package org.finetune4j.dist.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.finetune4j.Settings;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.Sample;
import org.finetune4j.dist.MeshTraining;
import org.finetune4j.dist.communicator.Communicator;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.dist.mesh.MeshShape;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelSegments;
import org.finetune4j.nn.Dropout;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningMethod;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Ranks that have some of the tokens each between the blocks give what one process gives, whatever the length. */
class SequenceParallelTest {

    private static final LoadOptions PLAIN = new LoadOptions(Device.CPU, DType.FLOAT32).withComputeDType(DType.FLOAT32);

    @TempDir
    Path directory;

    private static Path model(String name) {
        return TensorPass.GOLDENS.resolve(name);
    }

    private static TensorPass alone(String name, FineTuningStrategy strategy) {
        try (CausalLM model = CausalLM.load(model(name), PLAIN)) {
            return TensorPass.of(model, strategy, 0);
        }
    }

    private static List<TensorPass> divided(
            String name, int ranks, ExpertDivision experts, FineTuningStrategy strategy, int checkpointed) {
        return LocalRanks.call(ranks, Duration.ofMinutes(1), rank -> {
            try (TensorParallel tensor = new TensorParallel(rank, experts, true);
                    CausalLM share = tensor.load(model(name), PLAIN)) {
                return TensorPass.of(share, strategy, checkpointed);
            }
        });
    }

    /** Two batches, of lengths that neither two nor four divide. */
    @ParameterizedTest(name = "{0} on {1} ranks, experts {2}, checkpointed every {3} layers")
    @CsvSource({
        "arch/llama, 2, SLICES, 0",
        "arch/llama, 4, SLICES, 1",
        "arch/llama-tied, 2, SLICES, 0",
        "arch/mistral, 2, SLICES, 0",
        "arch/qwen2, 4, SLICES, 0",
        "arch/qwen3, 2, SLICES, 0",
        "arch/gemma2, 2, SLICES, 1",
        "arch/gemma3_text, 4, SLICES, 0",
        "arch/phi3, 2, SLICES, 1",
        "arch/gpt2, 2, SLICES, 0",
        "arch/gpt2, 4, SLICES, 1",
        "arch/gpt_neox, 2, SLICES, 1",
        "arch/opt, 2, SLICES, 0",
        "arch/mixtral, 2, SLICES, 0",
        "arch/mixtral, 4, WHOLE, 1",
        "arch/qwen3_moe, 2, SLICES, 0",
        "arch/smollm3, 2, SLICES, 0",
        "arch/granite, 4, SLICES, 1",
        "arch/olmo3, 2, SLICES, 0",
        "arch/starcoder2, 4, SLICES, 0",
        "arch/cohere, 2, SLICES, 1",
        "arch/cohere2, 4, SLICES, 0",
        "arch/glm, 2, SLICES, 0",
        "arch/glm4, 2, SLICES, 1",
        "arch/phi, 4, SLICES, 0",
        "arch/olmoe, 2, WHOLE, 0",
        "arch/stablelm, 4, SLICES, 0",
        "arch/gpt_oss, 2, SLICES, 0",
        "arch/gpt_oss, 4, WHOLE, 1",
        "arch/ministral3, 4, SLICES, 0",
        "arch/seed_oss, 2, SLICES, 1",
        "arch/ernie4_5, 2, SLICES, 0",
        "arch/hunyuan_v1_dense, 4, SLICES, 0",
        "arch/exaone4, 2, SLICES, 0",
        "arch/arcee, 4, SLICES, 1",
        "arch/apertus, 2, SLICES, 0",
        "arch/apertus, 4, SLICES, 1",
        "arch/nemotron, 2, SLICES, 0",
        "arch/helium, 4, SLICES, 0",
        "arch/olmo, 2, SLICES, 1",
        "arch/glm4_moe, 2, SLICES, 0",
        "arch/falcon, 4, SLICES, 0",
        "variants/gpt-bigcode-heads, 2, SLICES, 0",
        "variants/falcon-in-turn, 2, SLICES, 1",
        "arch/glm4_moe, 4, WHOLE, 1",
        "variants/cohere-normalised-heads, 2, SLICES, 0",
        "variants/phi-normalised-heads, 2, SLICES, 0",
        "variants/stablelm-parallel, 2, SLICES, 0",
        "variants/gemma-1, 2, SLICES, 0",
        "variants/olmo2-missing-keys, 2, SLICES, 1",
        "variants/gpt-neox-sequential, 2, SLICES, 0",
        "variants/opt-350m-shape, 2, SLICES, 1",
        "variants/opt-galactica-shape, 2, SLICES, 0",
    })
    void tokensOfAllRanksGiveWhatTheModelGives(String name, int ranks, ExpertDivision experts, int checkpointed) {
        FineTuningStrategy full = new FullFineTuning();
        TensorParallelTest.requireSame(alone(name, full), divided(name, ranks, experts, full, checkpointed));
    }

    @Test
    void aWholeLayerBetweenTheBlocksIsRefusedByName() {
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> divided("arch/qwen2_moe", 2, ExpertDivision.SLICES, new FullFineTuning(), 0));
        assertTrue(
                String.valueOf(e.getMessage())
                        .contains("sequence_parallel is not implemented for architecture 'Qwen2MoeForCausalLM'"
                                + ", whose 'model.layers.0.mlp.shared_expert_gate' is whole on every rank"),
                e::getMessage);
    }

    @ParameterizedTest(name = "{1} of {0}, {2} copies of {3} stages of {4} shares, ZeRO {5}, in double precision: {6}")
    @CsvSource({
        "llama, full, 1, 1, 2, 0, false",
        "llama, lora, 1, 1, 4, 0, true",
        "gpt2, full, 1, 1, 2, 0, true",
        "gpt2, lora, 1, 1, 2, 0, false",
        "phi3, lora, 1, 1, 2, 0, false",
        "mixtral, full, 1, 1, 2, 0, false",
        "mixtral+balance, full, 1, 1, 2, 0, false",
        "llama, qlora, 1, 1, 2, 0, false",
        "llama, full, 2, 1, 2, 3, false",
        "gpt2, lora, 2, 1, 2, 1, true",
        "llama, full, 1, 2, 2, 0, false",
        "mixtral, lora, 2, 2, 2, 1, true",
        "gpt_oss, full, 1, 1, 2, 0, false",
    })
    void tenStepsAreTenSteps(
            String model, String method, int copies, int stages, int shares, int stage, boolean exact) {
        new MeshTraining(model, method, stage, exact)
                .dividingSequences()
                .requireSameOn(new MeshShape(copies, stages, shares, 1), directory);
    }

    @Test
    void checkpointedLayersAreTheSame() {
        new MeshTraining("llama", "full", 0, false)
                .with(arguments -> arguments.gradientCheckpointingLayers(1).maxSteps(3))
                .dividingSequences()
                .requireSameOn(new MeshShape(1, 1, 4, 1), directory);
    }

    /** Its weights are used for some of the tokens by each rank, as those of norms are. */
    @Test
    void adaptersAfterTheBlocksLearnFromAllTokens() {
        FineTuningStrategy adapters = FineTuningMethod.named("adapter").create(new Settings("test", Map.of()));
        TensorPass expected = alone("arch/llama", adapters);
        assertTrue(
                expected.gradients().size() > 4, expected.gradients().keySet().toString());
        TensorParallelTest.requireSame(expected, divided("arch/llama", 4, ExpertDivision.SLICES, adapters, 0));
    }

    /** One token at a time: all ranks but the first have none of it. */
    @ParameterizedTest
    @ValueSource(strings = {"arch/llama", "arch/gpt2", "arch/mixtral", "arch/gemma3_text"})
    void answersAreThoseOfTheModel(String name) {
        List<int[]> prompts = List.of(new int[] {5, 9, 17}, new int[] {7, 3, 11, 4, 20});
        List<int[]> expected;
        try (CausalLM model = CausalLM.load(model(name), PLAIN)) {
            expected = answers(model, prompts);
        }
        for (List<int[]> found : LocalRanks.call(4, Duration.ofMinutes(1), rank -> {
            try (TensorParallel tensor = new TensorParallel(rank, ExpertDivision.SLICES, true);
                    CausalLM share = tensor.load(model(name), PLAIN)) {
                return answers(share, prompts);
            }
        })) {
            for (int i = 0; i < prompts.size(); i++) {
                assertArrayEquals(expected.get(i), found.get(i));
            }
        }
    }

    private static List<int[]> answers(CausalLM model, List<int[]> prompts) {
        return TextGenerator.of(model).generate(prompts, GenerationOptions.greedy(8), (sequence, token) -> {});
    }

    /** What the first rank sends in a pass, and bytes of what each layer hands on, which is what checkpoints keep. */
    private record Measured(long sent, List<Long> stream) {}

    private static Measured measured(int ranks, boolean dividesSequence, int length) {
        return LocalRanks.call(ranks, Duration.ofMinutes(1), rank -> {
                    try (TensorParallel tensor = new TensorParallel(rank, ExpertDivision.SLICES, dividesSequence);
                            CausalLM share = tensor.load(model("arch/llama"), PLAIN);
                            AttachedStrategy full = new FullFineTuning().attach(share);
                            TensorScope scope = TensorScope.open()) {
                        int[] ids = IntStream.range(3, 3 + length).toArray();
                        Batch batch = new Collator(0, 1).collate(List.of(new Sample(ids, ids)));
                        long before = rank.volume().bytesSent();
                        new Backpropagation(share, new GradientCheckpointing(0))
                                .run(batch.modelInputs(), LanguageModelLoss.of(share.network(), batch, 1));
                        long sent = rank.volume().bytesSent() - before;
                        List<Long> stream = new ArrayList<>();
                        try (ModelSegments segments = ModelSegments.of(share)) {
                            segments.forward(
                                    batch.modelInputs(),
                                    share.context(batch.modelInputs()),
                                    (segment, output) -> stream.add(output.numel() * Float.BYTES));
                        }
                        assertFalse(full.trainableParameters().isEmpty());
                        return new Measured(sent, stream);
                    }
                })
                .get(0);
    }

    @ParameterizedTest(name = "{0} ranks")
    @ValueSource(ints = {2, 4})
    void ranksSendAsMuchAndHandOnTheirShare(int ranks) {
        int length = 32;
        Measured plain = measured(ranks, false, length);
        Measured divided = measured(ranks, true, length);
        int layers = plain.stream.size() - 1;
        long whole = plain.stream.get(0);
        for (int i = 1; i < layers; i++) {
            assertEquals(whole, plain.stream.get(i));
            assertEquals(whole / ranks, divided.stream.get(i), "what layer " + i + " hands on");
        }
        assertEquals(whole, divided.stream.get(layers), "the head has all tokens");
        // At the ends of the model tokens are gathered, once each way; two norms a layer add up their gradients.
        long hidden = whole / length;
        double share = (ranks - 1.0) / ranks;
        double more = 2 * share * whole + 2 * share * 2 * layers * hidden;
        assertEquals(plain.sent + more, divided.sent, 0.001 * plain.sent);
    }

    /** A rank drops of its tokens what one process drops of them. */
    @Test
    void dropsWhatAProcessWithAllTokensDrops() {
        float[] expected = LocalRanks.call(1, Duration.ofMinutes(1), rank -> dropped(rank, 2, 7))
                .get(0);
        List<float[]> shares = LocalRanks.call(3, Duration.ofMinutes(1), rank -> dropped(rank, 2, 7));
        for (int row = 0; row < 2; row++) {
            List<Float> whole = new ArrayList<>();
            for (int token = 0; token < 7; token++) {
                whole.add(expected[row * 7 + token]);
            }
            List<Float> together = new ArrayList<>();
            for (float[] share : shares) {
                for (int token = 0; token < share.length / 2; token++) {
                    together.add(share[row * share.length / 2 + token]);
                }
            }
            assertEquals(whole, together);
        }
    }

    private static float[] dropped(Communicator rank, int batch, int length) {
        try (SumRegion sums = new SumRegion(rank);
                TokenRegion tokens = new TokenRegion(rank, sums);
                RandomGenerator.Use use = RandomGenerator.of(5).use();
                TensorScope scope = TensorScope.open()) {
            tokens.begin(length);
            Tensor stream = tokens.take(Tensors.ones(DType.FLOAT32, Device.CPU, batch, length, 1));
            return Dropout.ON.ofPortion(tokens.stream()).apply(stream, 0.5).toFloatArray();
        }
    }
}
