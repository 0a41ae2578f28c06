package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole generations: those of transformers, and what must hold between ways of asking for the same. */
class GenerationGoldenTest {

    private static final Path GOLDENS = Path.of("src/test/resources/goldens");
    private static final Path LLAMA = GOLDENS.resolve("arch/llama");

    private static int[] ids(String file, String name) {
        try (SafetensorsFile golden = SafetensorsFile.open(GOLDENS.resolve(file));
                TensorScope scope = TensorScope.open()) {
            return Arrays.stream(golden.tensor(name).toLongArray())
                    .mapToInt(Math::toIntExact)
                    .toArray();
        }
    }

    private static int[] prompt() {
        return ids("arch/llama/golden.safetensors", "gen.input_ids");
    }

    private static Completion complete(CausalLM model, int[] prompt, GenerationOptions options) {
        return TextGenerator.of(model).completeTokens(List.of(prompt), options).get(0);
    }

    private static void assertGenerates(String name, GenerationOptions.Builder options) {
        int[] expected = ids("sampling/golden.safetensors", name);
        int[] prompt = prompt();
        try (CausalLM model = CausalLM.load(LLAMA)) {
            GenerationOptions complete =
                    options.maxNewTokens(expected.length - prompt.length).build();
            int[] added = complete(model, prompt, complete).tokens();
            assertArrayEquals(Arrays.copyOfRange(expected, prompt.length, expected.length), added);
        }
    }

    @Test
    void beamSearch() {
        assertGenerates("beam4.output_ids", GenerationOptions.builder().numBeams(4));
    }

    /** Its rotation changes at 16 tokens: what was read before is read again, also when a session goes back. */
    @Test
    void longRopeContinuesAcrossItsBoundaryAsATextReadAtOnce() {
        GenerationOptions options = GenerationOptions.builder().maxNewTokens(10).build();
        int[] prompt = Arrays.copyOf(prompt(), 12);
        for (int i = 0; i < prompt.length; i++) {
            prompt[i] = 3 + prompt[i] % 28;
        }
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(GOLDENS.resolve("variants/phi3-longrope-crossing"));
                GenerationSession session = TextGenerator.of(model).session()) {
            int[] text = prompt;
            for (int i = 0; i < 10; i++) {
                Tensor logits = model.logits(ModelInputs.of(text)); // [1, seq, vocabulary]
                float[] last = logits.select(1, text.length - 1).toFloatArray();
                text = Arrays.copyOf(text, text.length + 1);
                text[text.length - 1] = largest(last);
            }
            int[] expected = Arrays.copyOfRange(text, 12, 22);
            assertArrayEquals(expected, complete(model, prompt, options).tokens());
            assertArrayEquals(
                    expected, session.generate(prompt, options, piece -> {}).tokens());
            assertArrayEquals(
                    expected, session.generate(prompt, options, piece -> {}).tokens());
        }
    }

    private static int largest(float[] scores) {
        int best = 0;
        for (int i = 1; i < scores.length; i++) {
            best = scores[i] > scores[best] ? i : best;
        }
        return best;
    }

    @Test
    void greedyWithRepetitionPenalty() {
        assertGenerates(
                "greedy_repetition_penalty_1.3.output_ids",
                GenerationOptions.builder().repetitionPenalty(1.3));
    }

    @Test
    void greedyWithoutRepeatedPairs() {
        assertGenerates(
                "greedy_no_repeat_ngram_2.output_ids",
                GenerationOptions.builder().noRepeatNgramSize(2));
    }

    @Test
    void rowsOfABatchAreContinuedAsIfTheyWereAlone() {
        int[] all = prompt();
        List<int[]> prompts =
                List.of(all, Arrays.copyOf(all, 3), Arrays.copyOfRange(all, 5, 16), Arrays.copyOfRange(all, 1, 2));
        for (int beams : List.of(1, 3)) {
            GenerationOptions options =
                    GenerationOptions.builder().maxNewTokens(12).numBeams(beams).build();
            try (CausalLM model = CausalLM.load(LLAMA)) {
                List<Completion> together = TextGenerator.of(model).completeTokens(prompts, options);
                for (int row = 0; row < prompts.size(); row++) {
                    Completion alone = complete(model, prompts.get(row), options);
                    assertEquals(alone.ids(), together.get(row).ids(), "row " + row + ", " + beams + " beams");
                }
            }
        }
    }

    @Test
    void severalContinuationsOfOnePromptDifferAndRepeatWithTheSeed() {
        GenerationOptions options = GenerationOptions.builder()
                .maxNewTokens(8)
                .temperature(1.5)
                .numReturnSequences(3)
                .build();
        try (CausalLM model = CausalLM.load(LLAMA)) {
            TextGenerator generator = TextGenerator.of(model);
            List<Completion> first = generator.completeTokens(List.of(prompt(), new int[] {7}), options);
            List<Completion> second = generator.completeTokens(List.of(prompt(), new int[] {7}), options);
            assertEquals(first, second);
            assertEquals(
                    List.of(0, 0, 0, 1, 1, 1),
                    first.stream().map(Completion::prompt).toList());
            assertTrue(first.stream().map(Completion::ids).distinct().count() > 3);
        }
    }

    @Test
    void logprobsAreTheLogarithmsOfTheModelsProbabilities() {
        GenerationOptions options =
                GenerationOptions.builder().maxNewTokens(4).logprobs(3).build();
        int[] prompt = prompt();
        try (CausalLM model = CausalLM.load(LLAMA);
                TensorScope scope = TensorScope.open()) {
            Completion completion = complete(model, prompt, options);
            assertEquals(4, completion.logprobs().size());
            int[] all = Arrays.copyOf(prompt, prompt.length + 4);
            System.arraycopy(completion.tokens(), 0, all, prompt.length, 4);
            byte[] mask = new byte[all.length];
            Arrays.fill(mask, (byte) 1);
            float[] logits = model.logits(new ModelInputs(1, all.length, all, mask, null))
                    .toFloatArray();
            int vocabulary = logits.length / all.length;
            for (int i = 0; i < 4; i++) {
                int from = (prompt.length + i - 1) * vocabulary;
                float[] scores = Arrays.copyOfRange(logits, from, from + vocabulary);
                TokenLogprob logprob = completion.logprobs().get(i);
                double expected = scores[logprob.token()] - Scores.logSumExp(scores);
                assertEquals(expected, logprob.logprob(), 1e-4);
                assertEquals(3, logprob.top().size());
                // Greedy: the chosen token is the likeliest.
                assertEquals(logprob.token(), logprob.top().get(0).token());
            }
        }
    }

    @Test
    void aSessionComputesOnlyWhatIsNewAndSaysTheSame() {
        GenerationOptions options = GenerationOptions.greedy(6);
        int[] prompt = prompt();
        try (CausalLM model = CausalLM.load(LLAMA);
                GenerationSession session = TextGenerator.of(model).session()) {
            Completion first = session.generate(prompt, options, piece -> {});
            assertEquals(complete(model, prompt, options).ids(), first.ids());
            assertEquals(prompt.length, session.computedTokens());
            int[] longer = Arrays.copyOf(prompt, prompt.length + 8);
            System.arraycopy(first.tokens(), 0, longer, prompt.length, 6);
            longer[prompt.length + 6] = 20;
            longer[prompt.length + 7] = 21;
            assertEquals(
                    complete(model, longer, options).ids(),
                    session.generate(longer, options, piece -> {}).ids());
            assertEquals(3, session.computedTokens(), "the last token of the answer and the two that are new");
            model.alone(() -> {}); // as an adapter does that is put on the model
            session.generate(longer, options, piece -> {});
            assertEquals(longer.length, session.computedTokens(), "what was read by another model is read again");
            int[] other = Arrays.copyOf(prompt, 10);
            other[9] = 3;
            assertEquals(
                    complete(model, other, options).ids(),
                    session.generate(other, options, piece -> {}).ids());
            assertEquals(1, session.computedTokens());
        }
    }

    @Test
    void aClosedSessionSaysSo() {
        try (CausalLM model = CausalLM.load(LLAMA)) {
            GenerationSession session = TextGenerator.of(model).session();
            session.generate(prompt(), GenerationOptions.greedy(2), piece -> {});
            session.close();
            session.close();
            assertThrows(
                    IllegalStateException.class,
                    () -> session.generate(prompt(), GenerationOptions.greedy(2), piece -> {}));
        }
    }

    /** Without penalties a beam's score is the mean of its tokens' log-probabilities. */
    @Test
    void theScoreOfABeamIsThatOfItsLogprobs() {
        GenerationOptions options = GenerationOptions.builder()
                .numBeams(3)
                .numReturnSequences(3)
                .maxNewTokens(8)
                .logprobs(2)
                .build();
        try (CausalLM model = CausalLM.load(LLAMA)) {
            List<Completion> beams = TextGenerator.of(model).completeTokens(List.of(prompt()), options);
            assertEquals(3, beams.size());
            for (Completion beam : beams) {
                List<Integer> ids =
                        beam.logprobs().stream().map(TokenLogprob::token).toList();
                assertEquals(beam.ids(), ids);
                double sum = beam.logprobs().stream()
                        .mapToDouble(TokenLogprob::logprob)
                        .sum();
                assertEquals(beam.score(), sum / ids.size(), 1e-5);
                assertEquals(2, beam.logprobs().get(0).top().size());
            }
        }
    }

    @Test
    void moreBeamsThanTokensAreRefused() {
        try (CausalLM model = CausalLM.load(LLAMA)) {
            for (int beams : new int[] {200, 1024}) {
                GenerationOptions options =
                        GenerationOptions.builder().numBeams(beams).build();
                String message =
                        String.valueOf(assertThrows(UserErrorException.class, () -> complete(model, prompt(), options))
                                .getMessage());
                assertTrue(message.contains("num_beams " + beams), message);
            }
        }
    }

    @Test
    void aModelWithoutGenerationConfigMaySayItInItsConfig(@TempDir Path directory) throws IOException {
        copyModel(directory);
        Path config = directory.resolve("config.json");
        Files.writeString(
                config,
                Files.readString(config)
                        .replaceFirst("\\{", "{\"max_new_tokens\": 3, \"max_length\": 20, \"top_k\": 50,"));
        try (CausalLM model = CausalLM.load(directory)) {
            assertEquals(
                    3,
                    complete(model, prompt(), GenerationOptions.builder().build())
                            .ids()
                            .size());
        }
    }

    @Test
    void generationConfigIsHonouredAndOptionsOverrideIt(@TempDir Path directory) {
        copyModel(directory);
        int[] greedy;
        try (CausalLM model = CausalLM.load(LLAMA)) {
            greedy = complete(model, prompt(), GenerationOptions.greedy(8)).tokens();
        }
        write(directory, "{\"eos_token_id\": [%d, 2], \"max_new_tokens\": 8}".formatted(greedy[3]));
        try (CausalLM model = CausalLM.load(directory)) {
            Completion stopped =
                    complete(model, prompt(), GenerationOptions.builder().build());
            assertArrayEquals(Arrays.copyOf(greedy, 4), stopped.tokens());
            assertEquals(FinishReason.STOP, stopped.finishReason());
            Completion free = complete(
                    model,
                    prompt(),
                    GenerationOptions.builder().stopTokens(Set.of()).build());
            assertArrayEquals(greedy, free.tokens());
            assertEquals(FinishReason.LENGTH, free.finishReason());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"penalty_alpha\": 0.6}",
                "{\"max_time\": 3.5}",
                "{\"token_healing\": true}",
                "{\"cache_implementation\": \"quantized\"}",
                "{\"suppress_tokens\": [1]}",
                "{\"forced_eos_token_id\": 2}",
                "{\"top_k\": 2.5}",
                "{\"max_new_tokens\": 99999999999}"
            })
    void aKeyThatAsksForMoreThanThereIsIsRefusedByName(String json, @TempDir Path directory) {
        copyModel(directory);
        write(directory, json);
        try (CausalLM model = CausalLM.load(directory)) {
            UserErrorException refused = assertThrows(
                    UserErrorException.class,
                    () -> complete(model, prompt(), GenerationOptions.builder().build()));
            assertTrue(
                    String.valueOf(refused.getMessage()).contains("'" + json.split("\"")[1] + "'"),
                    refused.getMessage());
        }
    }

    @Test
    void keysThatChangeNoTextAreNoTrouble(@TempDir Path directory) {
        copyModel(directory);
        write(
                directory,
                "{\"_from_model_config\": true, \"bos_token_id\": 1, \"pad_token_id\": null, \"do_sample\": false,"
                        + " \"temperature\": 0.6, \"top_p\": 0.9, \"transformers_version\": \"4.40.0\", \"use_cache\": true,"
                        + " \"cache_implementation\": \"hybrid\", \"max_new_tokens\": 8, \"repetition_penalty\": 1.0}");
        try (CausalLM model = CausalLM.load(directory);
                CausalLM plain = CausalLM.load(LLAMA)) {
            assertEquals(
                    complete(plain, prompt(), GenerationOptions.greedy(8)).ids(),
                    complete(model, prompt(), GenerationOptions.builder().build())
                            .ids());
        }
    }

    private static void copyModel(Path directory) {
        try {
            for (String file : new ArrayList<>(List.of("config.json", "model.safetensors"))) {
                Files.copy(LLAMA.resolve(file), directory.resolve(file));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void write(Path directory, String json) {
        try {
            Files.writeString(directory.resolve(GenerationConfigFile.NAME), json);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
