package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.finetune4j.Json;
import org.finetune4j.model.CausalLM;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What an answer is does not depend on whether its prompt's beginning was computed for it or for an earlier request. */
class PrefixSharingTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens");
    private static final int PAGE = PrefixPages.TOKENS;

    @TempDir
    private static Path folder;

    private static CausalLM llama;

    @BeforeAll
    static void load() {
        llama = CausalLM.load(GOLDENS.resolve("arch/llama"));
    }

    @AfterAll
    static void close() {
        llama.close();
    }

    private static GenerationLimits sharing(long bytes) {
        return GenerationLimits.defaults().withPrefixBytes(bytes);
    }

    private static GenerationRequest request(int[] prompt, int newTokens, double temperature) {
        GenerationOptions options = GenerationOptions.greedy(newTokens).toBuilder()
                .temperature(temperature)
                .seed(prompt.length)
                .stopTokens(Set.of())
                .logprobs(0)
                .build();
        return GenerationRequest.of(prompt, options).withSharing("everybody");
    }

    private static int[] text(int length, int seed) {
        return new SplittableRandom(seed).ints(length, 0, 30).toArray();
    }

    private static int[] concat(int[] one, int... other) {
        int[] all = Arrays.copyOf(one, one.length + other.length);
        System.arraycopy(other, 0, all, one.length, other.length);
        return all;
    }

    private static Rollout alone(CausalLM model, GenerationRequest request) {
        try (GenerationEngine engine = GenerationEngine.of(model)) {
            return engine.generate(List.of(request)).get(0);
        }
    }

    private static void assertSame(Rollout expected, Rollout found, String where) {
        assertArrayEquals(expected.tokens(), found.tokens(), where);
        assertArrayEquals(expected.logprobs(), found.logprobs(), 1e-3f, where);
    }

    /** Answers one request after the other; gives how many tokens were not computed for each. */
    private static int[] inTurn(CausalLM model, GenerationLimits limits, List<GenerationRequest> requests) {
        int[] cached = new int[requests.size()];
        try (GenerationEngine engine = GenerationEngine.of(model, limits)) {
            for (int number = 0; number < cached.length; number++) {
                GenerationRequest request = requests.get(number);
                GenerationHandle handle = engine.submit(request);
                Rollout found = engine.finish(List.of(handle)).get(0);
                assertSame(alone(model, request), found, "request " + number);
                cached[number] = handle.cachedTokens();
                assertTrue(engine.prefixBytes() <= limits.prefixBytes(), engine.prefixBytes() + " bytes");
            }
        }
        return cached;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "arch/gemma2",
                "arch/gemma3_text",
                "arch/gpt2",
                "arch/llama-rope-yarn",
                "arch/mistral",
                "arch/opt",
                "arch/qwen3_moe",
                "arch/smollm3",
                "arch/olmo3",
                "arch/cohere2",
                "arch/glm4",
                "arch/gpt_oss"
            })
    void conversationsAndSystemPromptsAreAnsweredAsIfTheyWereNew(String name) {
        try (CausalLM model = CausalLM.load(GOLDENS.resolve(name))) {
            int[] system = text(21, 1);
            GenerationRequest first = request(concat(system, 3, 4, 5), 12, 1);
            int[] turn = concat(first.prompt(), alone(model, first).tokens());
            List<GenerationRequest> requests = List.of(
                    first,
                    request(concat(system, 9, 8), 6, 0),
                    request(concat(turn, 7, 7, 7), 9, 0.8),
                    request(system, 5, 1),
                    request(text(21, 2), 5, 1),
                    request(first.prompt(), 12, 1));
            assertArrayEquals(new int[] {0, PAGE, 2 * PAGE, PAGE, 0, PAGE}, inTurn(model, sharing(1 << 20), requests));
        }
    }

    @Test
    void keysThatWereRotatedForAnotherLengthAreNotUsed() throws IOException {
        int[] text = text(40, 3);
        List<GenerationRequest> requests = new ArrayList<>();
        for (int length : new int[] {16, 20, 22, 17, 30, 16}) {
            requests.add(request(Arrays.copyOf(text, length), 2, 1));
        }
        try (CausalLM longrope = CausalLM.load(GOLDENS.resolve("variants/phi3-longrope-crossing"))) {
            int[] cached = inTurn(longrope, sharing(1 << 20), requests);
            assertArrayEquals(new int[] {0, 0, PAGE, PAGE, PAGE, 0}, cached); // near up to 16, far beyond
        }
        requests.clear();
        for (int length : new int[] {20, 22, 40, 38, 40, 21}) {
            requests.add(request(Arrays.copyOf(text, length), 1, 1));
        }
        try (CausalLM dynamic = dynamic()) {
            int[] cached = inTurn(dynamic, sharing(1 << 20), requests);
            assertArrayEquals(
                    new int[] {0, PAGE, 0, 0, 2 * PAGE, PAGE}, cached); // beyond 32, every length has its speeds
        }
    }

    /** A model whose rotation gets slower with every token beyond 32. */
    private static CausalLM dynamic() throws IOException {
        Path target = Files.createDirectories(folder.resolve("dynamic"));
        Path source = GOLDENS.resolve("arch/llama");
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(source.resolve(file), target.resolve(file));
        }
        ObjectNode config = (ObjectNode) Json.parse(Files.readString(target.resolve("config.json")), "config");
        config.remove("rope_parameters");
        config.put("max_position_embeddings", 32);
        config.putObject("rope_scaling").put("rope_type", "dynamic").put("factor", 4);
        Files.writeString(target.resolve("config.json"), Json.write(config));
        return CausalLM.load(target);
    }

    /** Requests that begin alike in many ways, several at once, where only some pages and rows have room. */
    @ParameterizedTest
    @CsvSource({"7, 1, 1048576", "8, 5, 1048576", "9, 5, 40000", "10, 3, 5000"})
    void requestsAtOnceAndLittleRoomChangeNothing(int seed, int rows, long bytes) {
        SplittableRandom random = new SplittableRandom(seed);
        int[][] systems = {text(48, 1), concat(Arrays.copyOf(text(48, 1), 32), text(16, 2)), text(35, 3)};
        List<GenerationRequest> requests = new ArrayList<>();
        for (int number = 0; number < 24; number++) {
            int[] system = systems[random.nextInt(systems.length)];
            int[] begin = Arrays.copyOf(system, 1 + random.nextInt(system.length));
            requests.add(request(concat(begin, text(random.nextInt(20), number)), 1 + random.nextInt(20), number % 2));
        }
        GenerationLimits limits = sharing(bytes)
                .withMaxRows(rows)
                .withTokensPerPass(24)
                .withCacheBytes(KeyValueSize.ofToken(llama) * (256L * rows + 64));
        try (GenerationEngine engine = GenerationEngine.of(llama, limits)) {
            List<GenerationHandle> handles =
                    requests.stream().map(engine::submit).toList();
            List<Rollout> found = engine.finish(handles);
            for (int number = 0; number < requests.size(); number++) {
                assertSame(alone(llama, requests.get(number)), found.get(number), "request " + number);
            }
            assertTrue(engine.prefixBytes() <= bytes);
            boolean hits = handles.stream().anyMatch(handle -> handle.cachedTokens() > 0);
            assertEquals(bytes >= PAGE * KeyValueSize.ofToken(llama), hits);
        }
    }

    @Test
    void whoDoesNotHaveTheSameInCommonSharesNothing() {
        int[] prompt = text(40, 5);
        GenerationRequest request = request(prompt, 4, 1);
        GenerationRequest withNobody = GenerationRequest.of(prompt, request.options());
        List<GenerationRequest> requests = List.of(
                request,
                request.withSharing("somebody else"),
                withNobody,
                withNobody,
                request.withSharing("everybody"));
        assertArrayEquals(new int[] {0, 0, 0, 0, 2 * PAGE}, inTurn(llama, sharing(1 << 20), requests));
        assertArrayEquals(new int[5], inTurn(llama, GenerationLimits.defaults(), requests));
    }

    @Test
    void whatWasNotUsedForLongestLeavesFirst() {
        long page = PAGE * KeyValueSize.ofToken(llama);
        List<GenerationRequest> requests = IntStream.of(1, 2, 1, 3, 1, 2)
                .mapToObj(seed -> request(text(20, seed), 1, 0))
                .toList();
        assertArrayEquals(new int[] {0, 0, PAGE, 0, PAGE, 0}, inTurn(llama, sharing(2 * page), requests));
    }

    @Test
    void theAnswersOfOneRequestCountWhatWasCachedOnce() {
        int[] prompt = text(40, 6);
        GenerationRequest one = request(prompt, 6, 1);
        GenerationRequest several = new GenerationRequest(
                        prompt,
                        one.options().toBuilder().numReturnSequences(3).build(),
                        0,
                        null,
                        null,
                        false,
                        one.listener())
                .withSharing("everybody");
        try (GenerationEngine engine = GenerationEngine.of(llama, sharing(1 << 20))) {
            engine.generate(List.of(one));
            GenerationHandle handle = engine.submit(several);
            List<Rollout> found = engine.finish(List.of(handle));
            assertEquals(2 * PAGE, handle.cachedTokens());
            for (int answer = 0; answer < 3; answer++) {
                assertSame(alone(llama, one.withFirstStream(answer)), found.get(answer), "answer " + answer);
            }
            engine.reset();
            assertEquals(0, engine.prefixBytes());
            handle = engine.submit(several);
            engine.finish(List.of(handle));
            assertEquals(0, handle.cachedTokens());
        }
    }
}
