package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.finetune4j.model.CausalLM;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What an answer of a batch is does not depend on its neighbours. */
@Tag("slow")
class GenerationEngineTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens");

    /** Requests of many lengths and settings: some greedy, some sampled, some with a group of answers. */
    private static List<GenerationRequest> requests(int vocabulary) {
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < 11; i++) {
            int number = i;
            int[] prompt = IntStream.range(0, 1 + i * 5 % 13)
                    .map(t -> (7 + 31 * number + 13 * t) % vocabulary)
                    .toArray();
            GenerationOptions.Builder options = GenerationOptions.greedy(3 + 4 * i % 15).toBuilder()
                    .stopTokens(i % 2 == 0 ? Set.of() : Set.of(5, 6, 7, 8, 9, 10, 11, 12))
                    .seed(100 + i)
                    .logprobs(i % 4 == 3 ? 2 : 0);
            switch (i % 5) {
                case 1 -> options.temperature(1).numReturnSequences(3);
                case 2 -> options.temperature(0.7);
                case 3 -> options.temperature(1.3).topK(20).topP(0.9);
                case 4 -> options.repetitionPenalty(1.2).numReturnSequences(2);
                default -> {}
            }
            requests.add(GenerationRequest.of(prompt, options.build()));
        }
        return requests;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "arch/gemma2",
                "arch/gemma3_text",
                "arch/gpt2",
                "arch/gpt_neox",
                "arch/llama",
                "arch/llama-rope-yarn",
                "arch/mistral",
                "arch/mixtral",
                "arch/opt",
                "arch/phi3",
                "arch/qwen2",
                "arch/qwen3",
                "arch/qwen3_moe",
                "arch/smollm3",
                "arch/granite",
                "arch/olmo3",
                "arch/qwen2_moe",
                "arch/starcoder2",
                "arch/cohere",
                "arch/cohere2",
                "arch/glm",
                "arch/glm4",
                "arch/phi",
                "arch/olmoe",
                "arch/stablelm",
                "arch/gpt_oss",
                "arch/ministral3",
                "arch/seed_oss",
                "arch/ernie4_5",
                "arch/hunyuan_v1_dense",
                "arch/exaone4",
                "arch/arcee",
                "arch/apertus",
                "arch/nemotron",
                "arch/helium",
                "arch/glm4_moe",
                "arch/falcon",
                "arch/gpt_bigcode",
                "arch/olmo"
            })
    void anAnswerOfABatchIsThatOfItsRequestAlone(String name) {
        try (CausalLM model = CausalLM.load(GOLDENS.resolve(name))) {
            List<GenerationRequest> requests =
                    requests((int) model.network().inputEmbedding().count());
            List<Rollout> alone = new ArrayList<>();
            for (GenerationRequest request : requests) {
                try (GenerationEngine engine = GenerationEngine.of(model)) {
                    alone.addAll(engine.generate(List.of(request)));
                }
            }
            for (int rows : new int[] {64, 5}) {
                GenerationLimits limits =
                        GenerationLimits.defaults().withMaxRows(rows).withTokensPerPass(16);
                try (GenerationEngine engine = GenerationEngine.of(model, limits)) {
                    assertSame(alone, engine.generate(requests), rows + " rows");
                    assertSame(alone, engine.generate(requests), rows + " rows, again");
                }
            }
        }
    }

    private static void assertSame(List<Rollout> expected, List<Rollout> found, String where) {
        assertEquals(expected.size(), found.size(), where);
        for (int i = 0; i < expected.size(); i++) {
            Rollout one = expected.get(i);
            Rollout other = found.get(i);
            assertArrayEquals(one.tokens(), other.tokens(), where + ", answer " + i);
            assertEquals(one.finishReason(), other.finishReason());
            assertEquals(one.answer(), other.answer());
            assertEquals(one.tokens().length, one.logprobs().length);
            assertArrayEquals(one.logprobs(), other.logprobs(), 1e-3f, where + ", answer " + i);
            assertArrayEquals(one.sampledLogprobs(), other.sampledLogprobs(), 1e-3f, where + ", answer " + i);
            assertTrue(one.isComplete());
        }
    }
}
