package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.PackedWeights;
import org.finetune4j.nn.Parameter;
import org.finetune4j.nn.RowAdapters;
import org.finetune4j.nn.RowGroups;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.NativeMemory;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What can be done with an engine, and what can go wrong. */
@Tag("slow")
class GenerationEngineUseTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens");

    private static CausalLM model;

    @BeforeAll
    static void load() {
        model = CausalLM.load(GOLDENS.resolve("arch/llama"));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static int[] prompt(int number, int length) {
        return IntStream.range(0, length)
                .map(t -> 3 + (17 * number + 5 * t) % 90)
                .toArray();
    }

    private static GenerationOptions.Builder options(int newTokens) {
        return GenerationOptions.greedy(newTokens).toBuilder().stopTokens(Set.of());
    }

    private static GenerationRequest request(int number, int length, int newTokens) {
        return GenerationRequest.of(
                prompt(number, length),
                options(newTokens).temperature(1).seed(number).logprobs(0).build());
    }

    private static int[] alone(CausalLM model, GenerationRequest request) {
        try (GenerationEngine engine = GenerationEngine.of(model)) {
            return engine.generate(List.of(request)).get(0).tokens();
        }
    }

    private static int[] tokens(GenerationHandle handle) {
        return handle.rollouts().get(0).tokens();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "arch/llama",
                "arch/gemma3_text",
                "arch/qwen3_moe",
                "arch/gpt_oss",
                "variants/phi3-longrope-crossing"
            })
    void requestsThatComeWhileOthersAreAnsweredAreAnsweredAsIfAlone(String name) {
        try (CausalLM own = CausalLM.load(GOLDENS.resolve(name));
                GenerationEngine engine =
                        GenerationEngine.of(own, GenerationLimits.defaults().withMaxRows(4))) {
            int vocabulary = (int) own.network().inputEmbedding().count();
            List<GenerationRequest> requests = new ArrayList<>();
            List<GenerationHandle> handles = new ArrayList<>();
            for (int number = 0; number < 9; number++) {
                int[] ids = Arrays.stream(prompt(number, 1 + 4 * number % 15))
                        .map(id -> id % vocabulary)
                        .toArray();
                GenerationRequest request = GenerationRequest.of(
                        ids,
                        options(2 + 5 * number % 12).temperature(1).seed(number).build());
                requests.add(request);
                handles.add(engine.submit(request));
                for (int step = 0; step < number % 4; step++) {
                    engine.step();
                }
            }
            while (engine.step()) {
                assertTrue(engine.cacheBytes() > 0);
            }
            for (int number = 0; number < requests.size(); number++) {
                assertArrayEquals(alone(own, requests.get(number)), tokens(handles.get(number)), "request " + number);
            }
        }
    }

    @Test
    void answersThatShareTheirPromptAreThoseOfRequestsThatDoNot() {
        GenerationOptions options =
                options(9).temperature(1).seed(4).logprobs(0).build();
        int[] prompt = prompt(3, 21);
        List<GenerationRequest> apart = new ArrayList<>();
        for (int answer = 0; answer < 6; answer++) {
            apart.add(GenerationRequest.of(prompt, options).withFirstStream(answer));
        }
        GenerationRequest together = GenerationRequest.of(
                prompt, options.toBuilder().numReturnSequences(6).build());
        for (int rows : new int[] {8, 2}) {
            GenerationLimits limits = GenerationLimits.defaults().withMaxRows(rows);
            try (GenerationEngine engine = GenerationEngine.of(model, limits)) {
                List<Rollout> expected = engine.generate(apart);
                List<Rollout> found = engine.generate(List.of(together));
                for (int answer = 0; answer < 6; answer++) {
                    assertEquals(answer, found.get(answer).answer());
                    assertArrayEquals(
                            expected.get(answer).tokens(), found.get(answer).tokens());
                    assertArrayEquals(
                            expected.get(answer).logprobs(), found.get(answer).logprobs(), 1e-4f);
                }
                assertFalse(Arrays.equals(found.get(0).tokens(), found.get(1).tokens()));
            }
        }
    }

    @Test
    void theCacheKeepsItsLimitAndWhatDoesNotFitWaits() {
        ModelConfig config = ModelConfig.parse("""
                {"architectures": ["LlamaForCausalLM"], "vocab_size": 97, "hidden_size": 8, "intermediate_size": 16,
                 "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
                 "max_position_embeddings": 2048, "initializer_range": 0.3}
                """, "a model of long texts");
        try (CausalLM own = CausalLM.initialize(config, null, Device.CPU, 7)) {
            long limit = 1100 * KeyValueSize.ofToken(own);
            List<GenerationRequest> requests = new ArrayList<>();
            for (int number = 0; number < 10; number++) {
                requests.add(request(number, 3 + number, number % 4 == 2 ? 300 + 90 * number : 8 + number));
            }
            try (GenerationEngine engine =
                    GenerationEngine.of(own, GenerationLimits.defaults().withCacheBytes(limit))) {
                List<GenerationHandle> handles =
                        requests.stream().map(engine::submit).toList();
                while (engine.step()) {
                    assertTrue(engine.cacheBytes() <= limit, engine.cacheBytes() + " of " + limit);
                }
                for (int number = 0; number < requests.size(); number++) {
                    assertArrayEquals(alone(own, requests.get(number)), tokens(handles.get(number)));
                }
            }
        }
    }

    @Test
    void whatNeverFitsIsRefusedInOneLine() {
        long bytes = 100 * KeyValueSize.ofToken(model);
        try (GenerationEngine engine =
                GenerationEngine.of(model, GenerationLimits.defaults().withCacheBytes(bytes))) {
            UserErrorException refused =
                    assertThrows(UserErrorException.class, () -> engine.submit(request(0, 60, 41)));
            String message = String.valueOf(refused.getMessage());
            assertTrue(message.contains("101 tokens") && message.contains("" + bytes), message);
            assertFalse(message.contains("\n"));
            assertEquals(40, engine.generate(List.of(request(0, 60, 40))).get(0).tokens().length);
            for (GenerationRequest wrong : List.of(
                    GenerationRequest.of(new int[0], options(3).build()),
                    GenerationRequest.of(prompt(0, 3), options(3).numBeams(2).build()),
                    GenerationRequest.of(prompt(0, 3), options(1_000_000).build()))) {
                assertThrows(UserErrorException.class, () -> engine.submit(wrong));
            }
        }
    }

    @Test
    void aCancelledAnswerKeepsWhatItHasAndTheOthersGoOn() {
        GenerationRequest three = GenerationRequest.of(
                prompt(1, 5), options(12).temperature(1).numReturnSequences(3).build());
        try (GenerationEngine engine = GenerationEngine.of(model)) {
            List<Rollout> whole = engine.generate(List.of(three));
            GenerationHandle handle = engine.submit(three);
            GenerationHandle never = engine.submit(request(2, 4, 5));
            never.cancel();
            for (int step = 0; step < 5; step++) {
                engine.step();
            }
            assertTrue(never.isDone());
            assertEquals(FinishReason.CANCELLED, never.rollouts().get(0).finishReason());
            handle.cancel(1);
            while (engine.step()) {
                assertFalse(handle.isDone() && engine.step());
            }
            List<Rollout> found = handle.result().join();
            assertEquals(FinishReason.CANCELLED, found.get(1).finishReason());
            assertFalse(found.get(1).isComplete());
            int kept = found.get(1).tokens().length;
            assertTrue(kept > 0 && kept < 12);
            assertArrayEquals(
                    Arrays.copyOf(whole.get(1).tokens(), kept), found.get(1).tokens());
            assertArrayEquals(whole.get(0).tokens(), found.get(0).tokens());
            assertArrayEquals(whole.get(2).tokens(), found.get(2).tokens());
        }
    }

    @Test
    void aListenerHearsEveryTokenAndOneThatFailsEndsItsAnswerAlone() {
        List<Integer> heard = new ArrayList<>();
        RuntimeException failure = new RuntimeException("the reader has gone");
        GenerationRequest good = request(1, 6, 10).withListener(new GenerationListener() {
            @Override
            public void onToken(int answer, int token) {
                heard.add(token);
            }
        });
        GenerationRequest bad = request(2, 6, 10).withListener(new GenerationListener() {
            @Override
            public void onToken(int answer, int token) {
                throw failure;
            }
        });
        try (GenerationEngine engine = GenerationEngine.of(model)) {
            GenerationHandle first = engine.submit(good);
            GenerationHandle second = engine.submit(bad);
            while (engine.step()) {
                assertFalse(first.isDone() && second.isDone());
            }
            assertEquals(FinishReason.FAILED, second.rollouts().get(0).finishReason());
            assertSame(failure, second.rollouts().get(0).failure());
            assertArrayEquals(alone(model, request(1, 6, 10)), tokens(first));
            assertArrayEquals(
                    tokens(first), heard.stream().mapToInt(Integer::intValue).toArray());
            assertSame(failure, assertThrows(RuntimeException.class, () -> engine.generate(List.of(good, bad))));
            assertArrayEquals(
                    tokens(first), engine.generate(List.of(good)).get(0).tokens());
        }
    }

    @Test
    void severalThreadsMayAskOneEngine() throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(4);
        try (GenerationEngine engine =
                GenerationEngine.of(model, GenerationLimits.defaults().withMaxRows(6))) {
            List<Future<int[]>> found = new ArrayList<>();
            for (int number = 0; number < 20; number++) {
                GenerationRequest request = request(number, 2 + number % 9, 4 + number % 7);
                found.add(threads.submit(
                        () -> engine.generate(List.of(request)).get(0).tokens()));
            }
            for (int number = 0; number < 20; number++) {
                assertArrayEquals(
                        alone(model, request(number, 2 + number % 9, 4 + number % 7)),
                        found.get(number).get(60, TimeUnit.SECONDS));
            }
        } finally {
            threads.shutdownNow();
        }
    }

    @Test
    void whatIsUnderWayIsCancelledByCloseAndNothingIsTakenAfterIt() {
        GenerationEngine engine = GenerationEngine.of(model);
        GenerationHandle running = engine.submit(request(1, 5, 30));
        engine.step();
        GenerationHandle waiting = engine.submit(request(2, 5, 30));
        engine.close();
        engine.close();
        assertEquals(FinishReason.CANCELLED, running.rollouts().get(0).finishReason());
        assertEquals(1, tokens(running).length);
        assertEquals(0, tokens(waiting).length);
        assertThrows(IllegalStateException.class, engine::step);
        assertThrows(IllegalStateException.class, engine::reset);
        assertThrows(IllegalStateException.class, () -> engine.submit(request(1, 5, 3)));
        assertThrows(IllegalStateException.class, () -> engine.generate(List.of(request(1, 5, 3))));
    }

    @Test
    void aListenerMayCloseTheEngineButNotComputeWithIt() {
        List<RuntimeException> refused = new ArrayList<>();
        try (GenerationEngine engine = GenerationEngine.of(model)) {
            GenerationHandle handle = engine.submit(request(1, 5, 30).withListener(new GenerationListener() {
                @Override
                public void onToken(int answer, int token) {
                    refused.add(assertThrows(IllegalStateException.class, engine::step));
                    refused.add(assertThrows(IllegalStateException.class, engine::reset));
                    engine.close();
                }
            }));
            engine.step();
            assertEquals(2, refused.size());
            assertEquals(1, tokens(handle).length);
        }
    }

    @Test
    void aPassThatFailedIsMadeAgain() {
        AtomicInteger passes = new AtomicInteger();
        RowAdapters failsOnce = (rows, device) -> {
            if (passes.incrementAndGet() == 4) {
                throw new IllegalStateException("no adapters now");
            }
            return new RowGroups(passes, List.of());
        };
        try (GenerationEngine engine = GenerationEngine.of(model)) {
            GenerationHandle first = engine.submit(request(1, 5, 9).withAdapters(failsOnce));
            GenerationHandle second = engine.submit(request(2, 7, 6));
            int failed = 0;
            while (!first.isDone() || !second.isDone()) {
                try {
                    engine.step();
                } catch (IllegalStateException e) {
                    failed++;
                }
            }
            assertEquals(1, failed);
            assertArrayEquals(alone(model, request(1, 5, 9)), tokens(first));
            assertArrayEquals(alone(model, request(2, 7, 6)), tokens(second));
        }
    }

    @Test
    void afterResetTheEngineAnswersAsANewOneWithTheWeightsAsTheyAreThen() {
        try (CausalLM own = CausalLM.load(GOLDENS.resolve("arch/llama"));
                GenerationEngine engine = GenerationEngine.of(own)) {
            int[] before = engine.generate(List.of(request(1, 5, 12))).get(0).tokens();
            GenerationHandle left = engine.submit(request(2, 9, 30));
            engine.step();
            engine.reset();
            assertEquals(0, engine.cacheBytes());
            assertEquals(FinishReason.CANCELLED, left.rollouts().get(0).finishReason());
            Parameter weight = own.network().inputEmbedding().weight();
            try (Autograd.Mode mode = Autograd.disabled();
                    TensorScope scope = TensorScope.open()) {
                Tensor changed = weight.value().roll(1, 0).copy();
                weight.value().detach().copyInPlace(changed);
            }
            int[] after = engine.generate(List.of(request(1, 5, 12))).get(0).tokens();
            assertArrayEquals(alone(own, request(1, 5, 12)), after);
            assertNotEquals(Arrays.toString(before), Arrays.toString(after));
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {1, 0.6})
    void logprobsAreThoseOfTheModelAndOfWhatWasDrawnFrom(double temperature) {
        int[] prompt = prompt(7, 6);
        GenerationOptions options =
                options(8).temperature(temperature).seed(9).logprobs(0).build();
        try (GenerationEngine engine = GenerationEngine.of(model);
                TensorScope scope = TensorScope.open()) {
            Rollout rollout = engine.generate(
                            List.of(GenerationRequest.of(prompt, options).withFirstStream(2)))
                    .get(0);
            SplittableRandom random = new SplittableRandom(9 ^ new SplittableRandom(2).nextLong());
            int[] text = prompt;
            for (int i = 0; i < 8; i++) {
                Tensor scores = model.logits(ModelInputs.of(text)).select(1, text.length - 1L); // [1, vocabulary]
                float[] logprobs = Functional.logSoftmax(scores, -1).toFloatArray();
                float[] sampled =
                        Functional.logSoftmax(scores.div(temperature), -1).toFloatArray();
                int token = rollout.tokens()[i];
                assertEquals(logprobs[token], rollout.logprobs()[i], 1e-4f);
                assertEquals(sampled[token], rollout.sampledLogprobs()[i], 1e-4f);
                assertEquals(drawn(sampled, random), token);
                text = Arrays.copyOf(text, text.length + 1);
                text[text.length - 1] = token;
            }
        }
    }

    /** What the distribution draws that a rollout says it was drawn from. */
    private static int drawn(float[] logprobs, SplittableRandom random) {
        float[] probabilities = new float[logprobs.length];
        for (int token = 0; token < logprobs.length; token++) {
            probabilities[token] = (float) Math.exp(logprobs[token]);
        }
        return WeightedDraw.draw(probabilities, 0, probabilities.length, random);
    }

    @Test
    void scoresThatAreNoNumbersEndTheAnswerInOneLineAndLeaveNoTraceForTheNext() {
        try (CausalLM own = CausalLM.load(GOLDENS.resolve("arch/llama"));
                GenerationEngine engine = GenerationEngine.of(own)) {
            int[] good = alone(own, request(1, 5, 12));
            Tensor table = own.network().inputEmbedding().weight().value().detach();
            float[] kept;
            try (TensorScope scope = TensorScope.open()) {
                kept = table.select(0, 9).toFloatArray();
                table.select(0, 9).fillInPlace(Double.NaN);
            }
            for (double temperature : new double[] {0, 1}) {
                for (int topK : new int[] {0, 5}) {
                    GenerationRequest broken = GenerationRequest.of(
                            new int[] {9},
                            options(3).temperature(temperature).topK(topK).build());
                    GenerationHandle handle = engine.submit(broken);
                    while (engine.step()) {
                        assertFalse(handle.isDone());
                    }
                    Rollout rollout = handle.rollouts().get(0);
                    assertEquals(FinishReason.FAILED, rollout.finishReason());
                    assertEquals(0, rollout.tokens().length);
                    String message = String.valueOf(
                            Objects.requireNonNull(rollout.failure()).getMessage());
                    assertTrue(message.contains("no numbers"), message);
                }
            }
            try (TensorScope scope = TensorScope.open()) {
                table.select(0, 9).copyInPlace(Tensors.of(kept, kept.length).to(table.dtype()));
            }
            assertArrayEquals(
                    good,
                    engine.generate(List.of(request(1, 5, 12), request(3, 9, 20)))
                            .get(0)
                            .tokens());
        }
    }

    @Test
    @Tag("slow")
    void nativeMemoryIsFlatOverAThousandRequests() {
        try (GenerationEngine engine =
                GenerationEngine.of(model, GenerationLimits.defaults().withMaxRows(8))) {
            long leaked = NativeMemory.leak(() -> {
                for (int round = 0; round < 5; round++) {
                    List<GenerationRequest> requests = new ArrayList<>();
                    for (int number = 0; number < 40; number++) {
                        requests.add(request(number, 1 + (number + round) % 23, 1 + number % 6));
                    }
                    engine.generate(requests);
                }
            });
            assertTrue(leaked < 512 << 10, leaked + " bytes more after every 200 requests");
        }
    }

    @Test
    void weightsArePackedWhenItIsWorthItOrAskedForWithinTheirLimit() {
        long all = PackedWeights.expectedBytes(model.network(), Long.MAX_VALUE); // 0 where they are never packed
        GenerationOptions options = GenerationOptions.greedy(20).toBuilder()
                .stopTokens(Set.of())
                .numReturnSequences(2)
                .build();
        List<GenerationRequest> requests = List.of(GenerationRequest.of(new int[] {1, 2, 3}, options));
        List<Rollout> plain = answers(GenerationLimits.defaults().withPackedBytes(0), requests, 0);
        try (GenerationEngine engine = GenerationEngine.of(model)) {
            engine.generate(requests);
            assertEquals(0, engine.packedBytes());
            engine.generate(requests);
            engine.generate(requests);
            assertEquals(all, engine.packedBytes());
            engine.generate(requests)
                    .forEach(rollout -> assertArrayEquals(plain.get(0).tokens(), rollout.tokens()));
        }
        try (GenerationEngine engine = GenerationEngine.of(model)) {
            engine.prepare();
            assertEquals(all, engine.packedBytes());
        }
        answers(GenerationLimits.defaults().withPackedBytes(all / 2), requests, all / 2);
    }

    private static List<Rollout> answers(GenerationLimits limits, List<GenerationRequest> requests, long mostPacked) {
        try (GenerationEngine engine = GenerationEngine.of(model, limits)) {
            engine.prepare();
            List<Rollout> answers = engine.generate(requests);
            assertTrue(engine.packedBytes() <= mostPacked, engine.packedBytes() + " bytes are packed");
            return answers;
        }
    }
}
