package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Threads that compute with one model at once get what one of them gets alone. */
@Tag("slow")
class SeveralThreadsTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens/arch");
    private static final int TURNS = 36;

    @ParameterizedTest
    @ValueSource(strings = {"llama", "gpt2", "gemma3_text", "mixtral", "opt", "phi3", "gpt_neox", "gpt_oss"})
    void thatAnswer(String name) throws Exception {
        try (CausalLM model = CausalLM.load(GOLDENS.resolve(name))) {
            TextGenerator generator = TextGenerator.of(model);
            List<float[]> expected = new ArrayList<>();
            for (int turn = 0; turn < TURNS; turn++) {
                expected.add(work(model, generator, turn).call());
            }
            ExecutorService threads = Executors.newFixedThreadPool(4);
            try {
                List<Future<float[]>> running = new ArrayList<>();
                for (int turn = 0; turn < TURNS; turn++) {
                    running.add(threads.submit(work(model, generator, turn)));
                }
                for (int turn = 0; turn < TURNS; turn++) {
                    assertArrayEquals(expected.get(turn), running.get(turn).get(), "turn " + turn);
                }
            } finally {
                threads.shutdownNow();
            }
        }
    }

    /** Scores, sampled, greedy and beam answers, and those of a session, in turn. */
    private static Callable<float[]> work(CausalLM model, TextGenerator generator, int turn) {
        int[] prompt = {5 + turn, 9, 17, 33};
        GenerationOptions.Builder options =
                GenerationOptions.greedy(7).toBuilder().stopTokens(Set.of());
        return switch (turn % 5) {
            case 0 ->
                () -> {
                    try (TensorScope scope = TensorScope.open()) {
                        return model.logits(ModelInputs.of(prompt)).toFloatArray();
                    }
                };
            case 1 ->
                () -> tokens(
                        generator, prompt, options.temperature(0.8).seed(turn).build());
            case 2 -> () -> tokens(generator, prompt, options.build());
            case 3 -> () -> tokens(generator, prompt, options.numBeams(3).build());
            default ->
                () -> {
                    try (GenerationSession session = generator.session()) {
                        return floats(session.generate(prompt, options.build(), piece -> {})
                                .tokens());
                    }
                };
        };
    }

    private static float[] tokens(TextGenerator generator, int[] prompt, GenerationOptions options) {
        return floats(generator.completeTokens(List.of(prompt), options).get(0).tokens());
    }

    private static float[] floats(int[] tokens) {
        float[] values = new float[tokens.length];
        for (int i = 0; i < tokens.length; i++) {
            values[i] = tokens[i];
        }
        return values;
    }
}
