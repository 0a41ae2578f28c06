package org.finetune4j.rlhf.reward;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.TokenizedExample;
import org.finetune4j.data.examples.ExampleDataset;
import org.finetune4j.data.examples.ExampleList;
import org.finetune4j.data.format.PreferencePair;
import org.finetune4j.data.format.PromptCompletion;
import org.finetune4j.data.supervised.SupervisedOptions;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.RecordedDecoders;
import org.finetune4j.model.Tokenizer;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.prefix.PrefixTuning;
import org.finetune4j.peft.prefix.PrefixTuningConfig;
import org.finetune4j.peft.prompt.PromptTuning;
import org.finetune4j.peft.prompt.PromptTuningConfig;
import org.finetune4j.rlhf.pair.TokenizedPair;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A reward model of any decoder scores, trains with an adapter, and is read again. */
class RewardModelTest {

    private static final Path BASES = Path.of("../finetune-core/src/test/resources/goldens/arch");
    private static final Path TOKENIZERS = Path.of("../finetune-core/src/test/resources/tokenizer");
    private static final LoadOptions CPU = new LoadOptions(Device.CPU, null);

    @TempDir
    Path directory;

    private static List<int[]> sequences() {
        List<int[]> sequences = new ArrayList<>();
        RewardGolden.pairs().forEach(pair -> sequences.add(pair.chosen().ids()));
        RewardGolden.pairs().forEach(pair -> sequences.add(pair.rejected().ids()));
        return sequences;
    }

    @Test
    void rewardsAreThoseOfTransformersInTheOrderOfTheQuestions() {
        try (CausalLM model = RewardGolden.model();
                RewardModel judge = RewardModel.of(model)) {
            float[] expected = RewardGolden.numbers("rewards");
            double[] rewards = judge.scoreTokens(sequences());
            for (int i = 0; i < expected.length; i++) {
                assertEquals(expected[i], rewards[i], 5e-5, "answer " + i);
            }
        }
    }

    static Stream<String> bases() {
        return RecordedDecoders.with("llama-tied", "llama-seqcls");
    }

    /** Rows that share what answers begin with give the rewards, and the gradients, of rows apart. */
    @ParameterizedTest
    @MethodSource("bases")
    void everyDecoderBecomesARewardModel(String name) {
        BradleyTerry objective = new BradleyTerry(0.01);
        Path saved = directory.resolve("adapter");
        double[] rewards;
        try (CausalLM model = CausalLM.load(BASES.resolve(name), CPU.asClassifier(1));
                Adapter adapter = Lora.builder()
                        .rank(2)
                        .targetModules("all-linear")
                        .build()
                        .attach(model)) {
            Parameter head = Objects.requireNonNull(
                    adapter.parametersByKey().get("base_model.model.score.weight"),
                    "the head trains beside the adapter");
            Map<String, float[]> together = gradients(model, adapter, objective, RewardGolden.sharing(model, null));
            Map<String, float[]> apart = gradients(model, adapter, objective, RewardGolden.apart(model, null));
            together.forEach((key, values) -> assertArrayEquals(apart.get(key), values, 2e-5f, key));
            assertTrue(head.isTrainable());
            rewards = RewardModel.of(model).scoreTokens(sequences());
            for (int i = 0; i < 3; i++) {
                assertEquals(
                        rewards[i],
                        RewardModel.of(model).scoreTokens(List.of(sequences().get(i)))[0],
                        2e-5,
                        "alone as in a batch");
            }
            adapter.save(saved);
        }
        try (RewardModel again = RewardModel.load(saved, CPU)) {
            assertArrayEquals(rewards, again.scoreTokens(sequences()), 1e-6);
        }
    }

    static Stream<PeftStrategy> virtualTokens() {
        return Stream.of(PromptTuning.of(PromptTuningConfig.of(3)), PrefixTuning.of(PrefixTuningConfig.of(3)));
    }

    /** Virtual tokens stand before each answer, wherever it lies. */
    @ParameterizedTest
    @MethodSource("virtualTokens")
    void answersInOneRowSeeTheVirtualTokensEach(PeftStrategy method) {
        BradleyTerry objective = new BradleyTerry(0);
        try (CausalLM model = RewardGolden.model();
                Adapter adapter = method.attach(model, true)) {
            List<float[]> seen = new ArrayList<>();
            for (Batch batch : List.of(RewardGolden.sharing(model, null), RewardGolden.apart(model, null))) {
                new Backpropagation(model, GradientCheckpointing.none())
                        .evaluate(batch.modelInputs(), objective.head(model.network(), batch, 1, seen::add));
            }
            assertArrayEquals(seen.get(1), seen.get(0), 2e-5f);
        }
    }

    private static Map<String, float[]> gradients(
            CausalLM model, Adapter adapter, BradleyTerry objective, Batch batch) {
        new Backpropagation(model, GradientCheckpointing.none())
                .run(batch.modelInputs(), objective.head(model.network(), batch, 1.0 / 3));
        Map<String, float[]> gradients = new TreeMap<>();
        try (TensorScope scope = TensorScope.open()) {
            adapter.parametersByKey().forEach((key, parameter) -> {
                if (parameter.grad() != null) {
                    gradients.put(key, Objects.requireNonNull(parameter.grad()).toFloatArray());
                }
                parameter.clearGrad();
            });
        }
        assertTrue(gradients.containsKey("base_model.model.score.weight"));
        return gradients;
    }

    @Test
    void aLanguageModelGivesNoReward() {
        try (CausalLM model = CausalLM.load(BASES.resolve("llama"), CPU)) {
            UserErrorException refused = assertThrows(UserErrorException.class, () -> RewardModel.of(model));
            assertTrue(refused.getMessage().contains("LlamaForCausalLM gives no reward"), refused.getMessage());
        }
        assertThrows(UserErrorException.class, () -> RewardModel.load(BASES.resolve("bert-seqcls"), CPU));
    }

    @Test
    void anEncoderIsNotTrainedAsOne() {
        ExampleDataset pairs = new ExampleList(
                "pairs", List.of(new PreferencePair(new PromptCompletion("Q", "A"), new PromptCompletion("Q", "B"))));
        try (CausalLM model = CausalLM.load(BASES.resolve("bert-seqcls"), CPU.asClassifier(1))) {
            UserErrorException refused = assertThrows(UserErrorException.class, () -> new RewardStage(0)
                    .samples(pairs, model, SupervisedOptions.builder().build()));
            assertTrue(refused.getMessage().contains("reads in both directions"), refused.getMessage());
        }
    }

    @Test
    void anAdapterWithoutAHeadGivesNoReward() {
        try (CausalLM model = CausalLM.load(BASES.resolve("llama"), CPU);
                Adapter adapter = Lora.builder().rank(2).build().attach(model)) {
            adapter.save(directory);
        }
        UserErrorException refused = assertThrows(UserErrorException.class, () -> RewardModel.load(directory, CPU));
        assertTrue(refused.getMessage().contains("no head"), refused.getMessage());
    }

    @Test
    void rewardsThatAreNoNumbersAreRefused() {
        try (CausalLM model = RewardGolden.model()) {
            Parameter head =
                    Objects.requireNonNull(model.network().namedParameters().get("score.weight"));
            try (TensorScope scope = TensorScope.open()) {
                head.replace(head.value().mul(Double.NaN));
            }
            UserErrorException refused = assertThrows(
                    UserErrorException.class, () -> RewardModel.of(model).scoreTokens(sequences()));
            assertTrue(refused.getMessage().contains("the score of sequence"), refused.getMessage());
        }
    }

    @Test
    void tokensOfAnotherTokenizerAreRefused() throws Exception {
        Path model = directory.resolve("model");
        Files.createDirectories(model);
        Path golden = Path.of("src/test/resources/goldens/pref/reward");
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(golden.resolve(file), model.resolve(file));
        }
        List<Path> tiny = tokenizers();
        Files.copy(tiny.get(0).resolve("tokenizer.json"), model.resolve("tokenizer.json"));
        try (RewardModel judge = RewardModel.load(model, CPU);
                Tokenizer same = Tokenizer.load(tiny.get(0));
                Tokenizer other = Tokenizer.load(tiny.get(1))) {
            judge.requireSameTokens(same);
            UserErrorException refused = assertThrows(UserErrorException.class, () -> judge.requireSameTokens(other));
            assertTrue(refused.getMessage().contains("another tokenizer: id "), refused.getMessage());
        }
    }

    private static List<Path> tokenizers() throws Exception {
        try (Stream<Path> all = Files.list(TOKENIZERS)) {
            return all.filter(path -> Files.isRegularFile(path.resolve("tokenizer.json")))
                    .sorted()
                    .toList();
        }
    }

    @Test
    void answersThatBeginAlikeShareTheirTokensOnce() {
        TokenizedExample chosen =
                new TokenizedExample(new int[] {5, 6, 7, 8}, new boolean[] {false, false, true, true}, 0);
        TokenizedExample rejected = new TokenizedExample(new int[] {5, 6, 9}, new boolean[] {false, false, true}, 0);
        TokenizedPair pair = new TokenizedPair(chosen, rejected);
        assertEquals(2, pair.common());
        assertEquals(2, pair.commonPrompt());
        assertArrayEquals(new int[] {5, 6, 7, 8, 9}, pair.row(2).inputIds());
        assertArrayEquals(new int[] {0, 1, 2, 3, 2}, pair.row(2).positionIds());
        assertArrayEquals(new int[] {-100, -100, 7, 8, 9}, pair.row(2).labels());
        assertArrayEquals(new int[] {0, 1, 2, 3, 0, 1, 2}, pair.row(0).positionIds());
        assertEquals(5, new Collator(0, 1).collate(List.of(pair.row(2))).sequenceLength());
        assertEquals(3, new TokenizedPair(chosen, chosen).common(), "each has a token of its own");
    }
}
