package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Two models are of one kind when nothing that they calculate with differs, however their configurations spell it. */
class ModelComparisonTest {

    private static final Path ARCH = Path.of("src/test/resources/goldens/arch");

    private static final String LLAMA = """
            {"architectures": ["LlamaForCausalLM"], "vocab_size": 41, "hidden_size": 16, "intermediate_size": 20,
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
             "max_position_embeddings": 64, "rope_theta": 10000.0, "hidden_act": "silu"}
            """;

    private static Optional<String> difference(String first, String other) {
        return ModelComparison.difference(
                ModelConfig.parse(first, "first"), ModelConfig.parse(other, "other"), Set.of());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "\"rope_theta\": 10000.0; \"rope_theta\": 500000.0; rope_theta",
                "\"num_attention_heads\": 4; \"num_attention_heads\": 2; num_attention_heads",
                "\"num_key_value_heads\": 2; \"head_dim\": 4, \"num_key_value_heads\": 1; num_key_value_heads",
                "1e-5; 1e-6; rms_norm_eps",
                "silu; gelu; hidden_act",
                "LlamaFor; MistralFor; architectures",
                "\"rope_theta\": 10000.0; \"rope_theta\": 10000.0, \"rope_scaling\": {\"type\": \"linear\", \"factor\":"
                        + " 2.0}; rope_scaling",
                "\"vocab_size\": 41; \"vocab_size\": 42; vocab_size"
            })
    void theKeyThatDiffersIsNamed(String before, String after, String key) {
        String difference = difference(LLAMA, LLAMA.replace(before, after)).orElseThrow();
        assertTrue(difference.startsWith("other: '" + key + "' is "), difference);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"rope_parameters\": {\"rope_theta\": 10000.0, \"rope_type\": \"default\"}",
                "\"head_dim\": 4",
                "\"attention_dropout\": 0.1",
                "\"torch_dtype\": \"bfloat16\"",
                "\"_name_or_path\": \"somewhere\"",
                "\"attention_bias\": false",
                "\"eos_token_id\": 7"
            })
    void anotherSpellingAndWhatOnlyTrainingNeedsAreNoDifference(String added) {
        String without = added.contains("rope_parameters") ? LLAMA.replace("\"rope_theta\": 10000.0,", "") : LLAMA;
        assertEquals(Optional.empty(), difference(LLAMA, without.replace("{\"arch", "{" + added + ", \"arch")));
    }

    static Stream<String> recorded() {
        return RecordedDecoders.with();
    }

    @ParameterizedTest
    @MethodSource("recorded")
    void bothVersionsOfTransformersWriteTheSameModel(String name) throws Exception {
        Path directory = ARCH.resolve(name);
        ModelConfig five = ModelConfig.load(directory);
        ModelConfig four = ModelConfig.parse(Files.readString(directory.resolve("config.v4.json")), "config.v4.json");
        assertEquals(Optional.empty(), ModelComparison.difference(five, four, Set.of()));
    }

    static List<String> architectures() {
        return SmallModels.ARCHITECTURES;
    }

    @ParameterizedTest
    @MethodSource("architectures")
    void aModelIsLikeItself(String architecture) {
        ModelConfig config = SmallModels.config(architecture, new Random(1));
        assertEquals(Optional.empty(), ModelComparison.difference(config, config, Set.of()));
    }

    @ParameterizedTest
    @CsvSource({"1, 2", "3, 3"})
    void anArchitectureThatNobodyKnowsIsComparedAsItIsWritten(int one, int two) {
        String config = "{\"architectures\": [\"NovelForCausalLM\"], \"widths\": %d}";
        assertEquals(
                one != two,
                difference(config.formatted(one), config.formatted(two)).isPresent());
    }
}
