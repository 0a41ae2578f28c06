package org.finetune4j.peft.promptlearning;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationEngine;
import org.finetune4j.generate.GenerationLimits;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.GenerationRequest;
import org.finetune4j.generate.Rollout;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.prefix.PrefixTuning;
import org.finetune4j.peft.prefix.PrefixTuningConfig;
import org.finetune4j.peft.prompt.PTuning;
import org.finetune4j.peft.prompt.PTuningConfig;
import org.finetune4j.peft.prompt.PromptTuning;
import org.finetune4j.peft.prompt.PromptTuningConfig;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.ClassificationLoss;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What virtual tokens mean: real tokens in their place would do the same, alone, in batches, packed and in generation. */
class VirtualTokensTest {

    private static final int VIRTUAL = 4;
    private static final int[] FIRST = {5, 9, 17, 33, 4, 8};
    private static final int[] SECOND = {71, 12, 150};
    private static final int[] FIRST_OF_FEW = {5, 9, 17, 30, 4, 8};
    private static final int[] SECOND_OF_FEW = {21, 12, 15};
    private static final String MODERN = "../variants/modernbert-";

    @TempDir
    Path directory;

    private static CausalLM model(String name) {
        return CausalLM.load(PeftParityTest.BASES.resolve(name));
    }

    private static PeftStrategy strategy(String kind) {
        return kind.equals("prefix")
                ? PrefixTuning.of(PrefixTuningConfig.of(VIRTUAL))
                : PromptTuning.of(PromptTuningConfig.of(VIRTUAL));
    }

    /** The tokens that a strategy draws from the vocabulary, drawn again. */
    private static int[] drawn(CausalLM model) {
        Torch.seed(3);
        return PromptInitialization.vocabulary().tokens(model, VIRTUAL);
    }

    private static Adapter attach(CausalLM model, String kind) {
        Torch.seed(3);
        return strategy(kind).attach(model);
    }

    private static int[] join(int[] a, int[] b) {
        return IntStream.concat(Arrays.stream(a), Arrays.stream(b)).toArray();
    }

    private static float[] logits(CausalLM model, ModelInputs inputs) {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(inputs).toFloatArray();
        }
    }

    private static float[] lastTokens(float[] logits, int tokens, int vocabulary) {
        return Arrays.copyOfRange(logits, logits.length - tokens * vocabulary, logits.length);
    }

    @ParameterizedTest
    @CsvSource({
        "llama, prefix",
        "llama, prompt",
        "gpt2, prefix",
        "gpt2, prompt",
        "qwen3, prefix",
        "gpt_neox, prompt",
        "opt, prefix",
        "opt, prompt",
        "gemma2, prefix",
        "gemma2, prompt",
        "gemma3_text, prompt",
        "mistral, prefix",
        "mistral, prompt",
        "phi3, prefix",
        "mixtral, prompt",
        "smollm3, prefix",
        "smollm3, prompt",
        "granite, prompt",
        "cohere2, prefix",
        "cohere2, prompt",
        "glm4, prefix",
        "phi, prompt",
        "starcoder2, prompt",
        "gpt_oss, prefix",
        "gpt_oss, prompt",
        "ministral3, prefix",
        "ministral3, prompt",
        "hunyuan_v1_dense, prefix",
        "exaone4, prefix",
        "falcon, prefix",
        "gpt_bigcode, prefix"
    })
    void startingFromTokensIsAsGoodAsTheTokensThemselves(String base, String kind) {
        try (CausalLM model = model(base)) {
            int[] tokens = drawn(model);
            float[] real = logits(model, ModelInputs.of(join(tokens, FIRST)));
            int vocabulary = real.length / (VIRTUAL + FIRST.length);
            try (Adapter adapter = attach(model, kind)) {
                assertEquals(VIRTUAL, model.virtualTokens());
                assertArrayEquals(
                        lastTokens(real, FIRST.length, vocabulary), logits(model, ModelInputs.of(FIRST)), 5e-5f);
            }
            assertEquals(0, model.virtualTokens());
        }
    }

    @ParameterizedTest
    @CsvSource({"llama, prefix", "llama, prompt", "gpt2, prefix", "gpt2, prompt", "mistral, prefix", "mistral, prompt"})
    void rowsOfABatchDoNotSeeItsPadding(String base, String kind) {
        try (CausalLM model = model(base);
                Adapter adapter = attach(model, kind)) {
            float[] first = logits(model, ModelInputs.of(FIRST));
            float[] second = logits(model, ModelInputs.of(SECOND));
            int vocabulary = first.length / FIRST.length;
            int padding = FIRST.length - SECOND.length;
            byte[] right = {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0};
            byte[] left = {1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1};
            int[] rightIds = join(FIRST, join(SECOND, new int[padding]));
            int[] leftIds = join(FIRST, join(new int[padding], SECOND));
            float[] padded = logits(model, new ModelInputs(2, FIRST.length, rightIds, right, null));
            assertArrayEquals(first, Arrays.copyOf(padded, first.length), 5e-5f);
            assertArrayEquals(second, Arrays.copyOfRange(padded, first.length, first.length + second.length), 5e-5f);
            float[] shifted = logits(model, new ModelInputs(2, FIRST.length, leftIds, left, null));
            assertArrayEquals(second, lastTokens(shifted, SECOND.length, vocabulary), 5e-5f);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"prefix", "prompt"})
    void sequencesPackedInOneRowEachSeeTheVirtualTokensAndNotEachOther(String kind) {
        try (CausalLM model = model("llama");
                Adapter adapter = attach(model, kind)) {
            float[] second = logits(model, ModelInputs.of(SECOND));
            int[] ids = join(FIRST, SECOND);
            int[] positions = {0, 1, 2, 3, 4, 5, 0, 1, 2};
            byte[] mask = new byte[ids.length];
            Arrays.fill(mask, (byte) 1);
            float[] packed = logits(model, new ModelInputs(1, ids.length, ids, mask, positions));
            assertArrayEquals(second, lastTokens(packed, SECOND.length, second.length / SECOND.length), 5e-5f);
        }
    }

    @ParameterizedTest
    @CsvSource({"llama, prefix", "llama, prompt", "gpt2, prefix", "gpt2, prompt", "mistral, prompt"})
    void generationSeesThemForEveryRowOfABatch(String base, String kind) {
        try (CausalLM model = model(base);
                Adapter adapter = attach(model, kind)) {
            List<int[]> prompts = List.of(FIRST, SECOND);
            List<int[]> batch = generate(model, prompts);
            for (int row = 0; row < prompts.size(); row++) {
                assertArrayEquals(withoutCache(model, prompts.get(row)), batch.get(row));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"llama, prefix", "llama, prompt", "gpt2, prefix", "mistral, prompt", "mistral, prefix"})
    void answersThatComeAndGoSeeThemAsAnAnswerAloneDoes(String base, String kind) {
        try (CausalLM model = model(base);
                Adapter adapter = attach(model, kind);
                GenerationEngine engine =
                        GenerationEngine.of(model, GenerationLimits.defaults().withMaxRows(3))) {
            List<int[]> prompts = List.of(FIRST, SECOND, new int[] {12}, FIRST, SECOND);
            List<GenerationRequest> requests = prompts.stream()
                    .map(prompt -> GenerationRequest.of(
                            prompt, options().numReturnSequences(2).build()))
                    .toList();
            List<Rollout> rollouts = engine.generate(requests);
            for (int answer = 0; answer < rollouts.size(); answer++) {
                assertArrayEquals(
                        withoutCache(model, prompts.get(answer / 2)),
                        rollouts.get(answer).tokens());
            }
        }
    }

    private static List<int[]> generate(CausalLM model, List<int[]> prompts) {
        return TextGenerator.of(model).generate(prompts, options().build(), (row, token) -> {});
    }

    private static GenerationOptions.Builder options() {
        return GenerationOptions.greedy(8).toBuilder().stopTokens(Set.of());
    }

    @ParameterizedTest
    @ValueSource(strings = {"prefix", "prompt"})
    void beamsThatChangePlacesKeepThem(String kind) {
        try (CausalLM model = model("llama")) {
            int[] tokens = drawn(model);
            GenerationOptions beams = options().numBeams(3).build();
            int[] real = TextGenerator.of(model)
                    .completeTokens(List.of(join(tokens, FIRST)), beams)
                    .get(0)
                    .tokens();
            try (Adapter adapter = attach(model, kind)) {
                int[] virtual = TextGenerator.of(model)
                        .completeTokens(List.of(FIRST), beams)
                        .get(0)
                        .tokens();
                assertArrayEquals(real, virtual);
            }
        }
    }

    /** The greedy continuation, every token computed from the whole sequence. */
    private static int[] withoutCache(CausalLM model, int[] prompt) {
        List<Integer> all = new ArrayList<>(Arrays.stream(prompt).boxed().toList());
        for (int step = 0; step < 8; step++) {
            try (TensorScope scope = TensorScope.open()) {
                int[] ids = all.stream().mapToInt(Integer::intValue).toArray();
                Tensor logits = model.logits(ModelInputs.of(ids));
                all.add((int) logits.select(0, 0)
                        .select(0, ids.length - 1L)
                        .argmax(0)
                        .to(DType.INT64)
                        .item());
            }
        }
        return all.stream().skip(prompt.length).mapToInt(Integer::intValue).toArray();
    }

    @Test
    void anExportedAdapterHasNoEncoderAndComputesTheSame() {
        Path exported = directory.resolve("exported");
        Path saved = directory.resolve("saved");
        PeftStrategy strategy = PTuning.of(PTuningConfig.of(VIRTUAL, PTuningConfig.Encoder.LSTM, 8));
        try (CausalLM model = model("llama")) {
            float[] expected;
            try (Adapter adapter = strategy.attach(model)) {
                expected = logits(model, ModelInputs.of(FIRST));
                adapter.export(exported);
                adapter.save(saved);
            }
            assertFalse(Files.exists(exported.resolve(PromptAdapter.ENCODER_FILE)));
            assertTrue(Files.exists(saved.resolve(PromptAdapter.ENCODER_FILE)));
            try (Adapter adapter = AdapterFormat.load(model, exported, true)) {
                assertArrayEquals(expected, logits(model, ModelInputs.of(FIRST)));
                assertEquals(1, adapter.trainableParameters().size());
            }
            try (Adapter adapter = strategy.attach(model)) {
                String message = assertThrows(UserErrorException.class, () -> adapter.restore(exported))
                        .getMessage();
                assertTrue(message.contains(PromptAdapter.ENCODER_FILE), message);
            }
        }
    }

    @Test
    void anAdapterOfAnotherModelIsRefused() {
        Path saved = directory.resolve("saved");
        try (CausalLM model = model("llama");
                Adapter adapter = attach(model, "prefix")) {
            adapter.save(saved);
        }
        try (CausalLM model = model("gpt2")) {
            String message = assertThrows(UserErrorException.class, () -> AdapterFormat.load(model, saved, false))
                    .getMessage();
            assertTrue(message.contains("'token_dim' is 24, this model has 48"), message);
            assertEquals(0, model.virtualTokens());
        }
    }

    /** Its first token is read, be it a virtual one, or all of them are averaged; they see each other, or those of a window. */
    @ParameterizedTest
    @ValueSource(strings = {"bert-seqcls", MODERN + "seqcls", MODERN + "mean", MODERN + "transformers-4"})
    void anEncoderReadsVirtualTokensAsItReadsRealOnes(String base) {
        try (CausalLM model = model(base)) {
            float[] real = logits(model, ModelInputs.of(join(drawn(model), FIRST_OF_FEW)));
            try (Adapter adapter = attach(model, "prompt")) {
                assertArrayEquals(real, logits(model, ModelInputs.of(FIRST_OF_FEW)), 5e-5f);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "bert-seqcls, prefix",
        "bert-seqcls, prompt",
        MODERN + "seqcls, prefix",
        MODERN + "seqcls, prompt",
        MODERN + "mean, prefix",
        MODERN + "mean, prompt",
        MODERN + "missing-keys, prefix"
    })
    void anEncodersRowsDoNotSeeTheirPadding(String base, String kind) {
        try (CausalLM model = model(base);
                Adapter adapter = attach(model, kind)) {
            float[] first = logits(model, ModelInputs.of(FIRST_OF_FEW));
            float[] second = logits(model, ModelInputs.of(SECOND_OF_FEW));
            int[] ids = join(FIRST_OF_FEW, join(SECOND_OF_FEW, new int[FIRST.length - SECOND.length]));
            byte[] real = {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0};
            float[] both = logits(model, new ModelInputs(2, FIRST.length, ids, real, null));
            assertArrayEquals(first, Arrays.copyOf(both, first.length), 5e-5f);
            assertArrayEquals(second, lastTokens(both, 1, second.length), 5e-5f);
        }
    }

    /** By the difference that a step along the gradient makes. */
    @ParameterizedTest
    @ValueSource(strings = {"bert-seqcls", MODERN + "seqcls", MODERN + "mean"})
    void aClassifiersLossGoesBackToTheVirtualTokens(String base) {
        ModelInputs inputs = ModelInputs.of(FIRST_OF_FEW);
        try (TensorScope scope = TensorScope.open();
                CausalLM model = model(base);
                Adapter adapter = attach(model, "prompt")) {
            ClassificationLoss loss = ClassificationLoss.singleLabel(model.network(), inputs, new int[] {2}, 1);
            Backpropagation pass = new Backpropagation(model, GradientCheckpointing.none());
            Parameter prompt = adapter.parametersByKey().get("prompt_encoder.default.embedding.weight");
            pass.run(inputs, loss);
            Tensor gradient = Objects.requireNonNull(prompt.grad()).copy();
            Tensor value = prompt.value().detach().copy();
            double expected = gradient.square().sum().item();
            double step = 5e-3 / Math.sqrt(expected);
            prompt.set(value.add(gradient.mul(step)));
            double more = pass.evaluate(inputs, loss);
            prompt.set(value.sub(gradient.mul(step)));
            double less = pass.evaluate(inputs, loss);
            assertEquals(expected, (more - less) / (2 * step), 1e-2 * expected);
        }
    }

    @Test
    void aSequenceMustFitTheContextTogetherWithTheVirtualTokens() {
        try (CausalLM model = model("gpt2")) {
            int longest = model.network().maxPositions();
            int[] full = new int[longest];
            logits(model, ModelInputs.of(full));
            try (Adapter adapter = attach(model, "prefix")) {
                assertThrows(UserErrorException.class, () -> logits(model, ModelInputs.of(full)));
                logits(model, ModelInputs.of(Arrays.copyOf(full, longest - VIRTUAL)));
            }
        }
    }
}
