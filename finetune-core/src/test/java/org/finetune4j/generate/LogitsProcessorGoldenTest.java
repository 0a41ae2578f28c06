package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every processor does to the recorded scores what transformers' does, alone and in a chain. */
class LogitsProcessorGoldenTest {

    private static final Path GOLDEN = Path.of("src/test/resources/goldens/sampling/golden.safetensors");

    static Stream<Arguments> cases() {
        GenerationOptions chain = GenerationOptions.builder()
                .repetitionPenalty(1.3)
                .temperature(0.7)
                .topK(5)
                .topP(0.8)
                .build();
        return Stream.of(
                Arguments.of("temperature_0.7", List.of(LogitsProcessor.temperature(0.7))),
                Arguments.of("top_k_5", List.of(Truncation.topK(5, 1))),
                Arguments.of("top_p_0.8", List.of(Truncation.topP(0.8, 1))),
                Arguments.of("top_p_0.3_keep2", List.of(Truncation.topP(0.3, 2))),
                Arguments.of("min_p_0.1", List.of(Truncation.minP(0.1, 1))),
                Arguments.of("typical_0.9", List.of(Truncation.typicalP(0.9, 1))),
                Arguments.of("repetition_penalty_1.3", List.of(RepetitionRules.penalty(1.3))),
                Arguments.of("no_repeat_ngram_3", List.of(RepetitionRules.noRepeatNgram(3))),
                Arguments.of("chain", LogitsProcessor.of(chain, Set.of())));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cases")
    void scoresAreThoseOfTransformers(String name, List<LogitsProcessor> processors) {
        try (SafetensorsFile golden = SafetensorsFile.open(GOLDEN);
                TensorScope scope = TensorScope.open()) {
            float[] scores = golden.tensor("scores").toFloatArray();
            float[] expected = golden.tensor(name).toFloatArray();
            int[] ids = Arrays.stream(golden.tensor("input_ids").toLongArray())
                    .mapToInt(Math::toIntExact)
                    .toArray();
            int rows = 3;
            int vocabulary = scores.length / rows;
            int length = ids.length / rows;
            for (int row = 0; row < rows; row++) {
                TokenSequence sequence = new TokenSequence(Arrays.copyOfRange(ids, row * length, (row + 1) * length));
                float[] actual = Arrays.copyOfRange(scores, row * vocabulary, (row + 1) * vocabulary);
                processors.forEach(processor -> processor.process(sequence, actual));
                for (int token = 0; token < vocabulary; token++) {
                    assertEquals(expected[row * vocabulary + token], actual[token], 1e-5f, name + " token " + token);
                }
            }
        }
    }
}
