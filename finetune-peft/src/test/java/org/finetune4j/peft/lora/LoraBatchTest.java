package org.finetune4j.peft.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.GenerationEngine;
import org.finetune4j.generate.GenerationHandle;
import org.finetune4j.generate.GenerationLimits;
import org.finetune4j.generate.GenerationOptions;
import org.finetune4j.generate.GenerationRequest;
import org.finetune4j.generate.Rollout;
import org.finetune4j.generate.TextGenerator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.MixtureOfExperts;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.strategy.AdapterSet;
import org.finetune4j.tensor.TensorScope;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows of one batch with adapters of their own compute what each adapter computes alone. */
class LoraBatchTest {

    private static final int[] TOKENS = {5, 9, 17, 33, 4, 8};
    private static final String[] ROWS = {"wide", LoraBatch.BASE, "narrow", "wide", "narrow"};

    /** Two adapters of different ranks on different layers. */
    private static AdapterSet adapters(CausalLM model) {
        AdapterSet adapters = AdapterSet.of(model);
        String some = model.linearLayerNames().get(0);
        adapters.add("wide", random(4).targetModules(seeingRows(model)).build());
        adapters.add(
                "narrow",
                random(2)
                        .targetModules(some.substring(some.lastIndexOf('.') + 1))
                        .build());
        return adapters;
    }

    /** All linear layers; of a mixture those that see rows: experts and their router see tokens by themselves. */
    private static String[] seeingRows(CausalLM model) {
        boolean mixes = model.network().namedModules().values().stream().anyMatch(MixtureOfExperts.class::isInstance);
        return mixes
                ? new String[] {"q_proj", "shared_expert.up_proj", "shared_expert.down_proj", "shared_expert_gate"}
                : new String[] {"all-linear"};
    }

    private static Lora.Builder random(int rank) {
        return Lora.builder().rank(rank).alpha(16).initialization(LoraInitialization.RANDOM);
    }

    private static void activate(AdapterSet adapters, String name) {
        if (name.equals(LoraBatch.BASE)) {
            adapters.deactivate();
        } else {
            adapters.activate(name);
        }
    }

    private static ModelInputs repeated(int rows) {
        int[] ids =
                IntStream.range(0, rows).flatMap(row -> Arrays.stream(TOKENS)).toArray();
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, (byte) 1);
        return new ModelInputs(rows, TOKENS.length, ids, mask, null);
    }

    private static float[] logits(CausalLM model, ModelInputs inputs) {
        return logits(model, inputs, null);
    }

    private static float[] logits(CausalLM model, ModelInputs inputs, @Nullable RowAdapters rows) {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(inputs, rows).toFloatArray();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "gpt2", "phi3", "granite", "qwen2_moe", "cohere2"})
    void everyRowIsComputedWithItsOwnAdapter(String base) {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve(base));
                AdapterSet adapters = adapters(model)) {
            float[] mixed;
            try (LoraBatch batch = LoraBatch.of(model, adapters)) {
                mixed = logits(model, repeated(ROWS.length), batch.assign(ROWS));
                assertThrows(UserErrorException.class, () -> adapters.activate("wide"));
            }
            adapters.deactivate();
            for (int row = 0; row < ROWS.length; row++) {
                activate(adapters, ROWS[row]);
                float[] alone = logits(model, ModelInputs.of(TOKENS));
                assertArrayEquals(
                        alone, Arrays.copyOfRange(mixed, row * alone.length, (row + 1) * alone.length), 5e-5f);
            }
            assertFalse(Arrays.equals(
                    Arrays.copyOf(mixed, mixed.length / 5),
                    Arrays.copyOfRange(mixed, mixed.length / 5, 2 * mixed.length / 5)));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void generationKeepsTheAdapterOfEveryPrompt(int beams) {
        List<int[]> prompts = List.of(TOKENS, new int[] {71, 12}, TOKENS, new int[] {150, 3, 44});
        String[] rows = {"wide", "wide", LoraBatch.BASE, "narrow"};
        GenerationOptions options = GenerationOptions.greedy(6).toBuilder()
                .stopTokens(Set.of())
                .numBeams(beams)
                .build();
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                AdapterSet adapters = adapters(model)) {
            TextGenerator generator = TextGenerator.of(model);
            List<int[]> mixed;
            try (LoraBatch batch = LoraBatch.of(model, adapters)) {
                mixed = generator.withRows(batch.assign(rows)).completeTokens(prompts, options).stream()
                        .map(completion -> completion.tokens())
                        .toList();
            }
            for (int row = 0; row < rows.length; row++) {
                activate(adapters, rows[row]);
                int[] alone = generator
                        .completeTokens(List.of(prompts.get(row)), options)
                        .get(0)
                        .tokens();
                assertArrayEquals(alone, mixed.get(row));
            }
        }
    }

    /** Requests of an engine come while others with other adapters are answered, and take places that those leave. */
    @Test
    void anEngineAnswersEveryRequestWithItsOwnAdapter() {
        String[] names = {"wide", LoraBatch.BASE, "narrow", "wide", "narrow", LoraBatch.BASE, "wide"};
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                AdapterSet adapters = adapters(model)) {
            List<GenerationRequest> requests = new ArrayList<>();
            for (int number = 0; number < names.length; number++) {
                GenerationOptions options = GenerationOptions.greedy(3 + number).toBuilder()
                        .stopTokens(Set.of())
                        .temperature(number % 2)
                        .seed(number)
                        .numReturnSequences(1 + number % 3)
                        .build();
                requests.add(GenerationRequest.of(Arrays.copyOf(TOKENS, 1 + number % TOKENS.length), options));
            }
            List<List<Rollout>> mixed = new ArrayList<>();
            try (LoraBatch batch = LoraBatch.of(model, adapters);
                    GenerationEngine engine = GenerationEngine.of(
                            model, GenerationLimits.defaults().withMaxRows(4))) {
                List<GenerationHandle> handles = new ArrayList<>();
                for (int number = 0; number < names.length; number++) {
                    handles.add(engine.submit(requests.get(number).withAdapters(batch.assign(names[number]))));
                    engine.step();
                }
                while (engine.step()) {
                    assertFalse(handles.stream().allMatch(GenerationHandle::isDone));
                }
                handles.forEach(handle -> mixed.add(handle.result().join()));
            }
            for (int number = 0; number < names.length; number++) {
                activate(adapters, names[number]);
                try (GenerationEngine engine = GenerationEngine.of(model)) {
                    List<Rollout> alone = engine.generate(List.of(requests.get(number)));
                    for (int answer = 0; answer < alone.size(); answer++) {
                        assertArrayEquals(
                                alone.get(answer).tokens(),
                                mixed.get(number).get(answer).tokens());
                    }
                }
            }
        }
    }

    @Test
    void whatCannotBeMixedIsRefused() {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                AdapterSet adapters = adapters(model)) {
            try (LoraBatch batch = LoraBatch.of(model, adapters)) {
                String unknown = assertThrows(UserErrorException.class, () -> batch.assign("wid"))
                        .getMessage();
                assertTrue(unknown.contains("did you mean 'wide'"), unknown);
                RowAdapters two = batch.assign("wide", "narrow");
                String rows = assertThrows(UserErrorException.class, () -> logits(model, repeated(3), two))
                        .getMessage();
                assertTrue(rows.contains("3 rows, adapters are assigned to 2"), rows);
            }
            adapters.add(
                    "biased",
                    random(2)
                            .bias(LoraConfig.Bias.ALL)
                            .modulesToSave(List.of("lm_head"))
                            .build());
            String message = assertThrows(UserErrorException.class, () -> LoraBatch.of(model, adapters))
                    .getMessage();
            assertTrue(message.contains("'biased'"), message);
        }
    }

    @Test
    void severalThreadsUseRowsOfTheirOwnOnOneModel() throws Exception {
        String[][] assignments = {
            {"wide", "narrow"}, {"narrow", LoraBatch.BASE}, {LoraBatch.BASE, "wide"}, {"wide", "wide"}
        };
        GenerationOptions options =
                GenerationOptions.greedy(5).toBuilder().stopTokens(Set.of()).build();
        List<int[]> prompts = List.of(TOKENS, new int[] {71, 12});
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                AdapterSet adapters = adapters(model);
                LoraBatch batch = LoraBatch.of(model, adapters)) {
            TextGenerator generator = TextGenerator.of(model);
            List<RowAdapters> rows =
                    Arrays.stream(assignments).map(batch::assign).toList();
            List<List<int[]>> expected = new ArrayList<>();
            rows.forEach(each -> expected.add(answers(generator.withRows(each), prompts, options)));
            ExecutorService threads = Executors.newFixedThreadPool(4);
            try {
                List<Future<List<int[]>>> running = new ArrayList<>();
                for (int turn = 0; turn < 40; turn++) {
                    RowAdapters own = rows.get(turn % rows.size());
                    running.add(threads.submit(() -> answers(generator.withRows(own), prompts, options)));
                }
                for (int turn = 0; turn < running.size(); turn++) {
                    List<int[]> found = running.get(turn).get();
                    for (int row = 0; row < prompts.size(); row++) {
                        assertArrayEquals(expected.get(turn % rows.size()).get(row), found.get(row));
                    }
                }
            } finally {
                threads.shutdownNow();
            }
        }
    }

    private static List<int[]> answers(TextGenerator generator, List<int[]> prompts, GenerationOptions options) {
        return generator.completeTokens(prompts, options).stream()
                .map(completion -> completion.tokens())
                .toList();
    }

    @Test
    void rowsOfAnotherBatchOrAClosedOneAreRefused() {
        try (CausalLM model = CausalLM.load(PeftParityTest.BASES.resolve("llama"));
                AdapterSet adapters = adapters(model)) {
            RowAdapters before;
            try (LoraBatch first = LoraBatch.of(model, adapters)) {
                before = first.assign("wide");
            }
            assertThrows(IllegalStateException.class, () -> logits(model, repeated(1), before));
            try (LoraBatch second = LoraBatch.of(model, adapters)) {
                assertThrows(IllegalStateException.class, () -> logits(model, repeated(1), before));
            }
        }
    }
}
