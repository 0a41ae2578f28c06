package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.generate.TextGeneratorCaches;
import org.finetune4j.nn.LongRope;
import org.finetune4j.nn.RotaryEmbedding;
import org.finetune4j.nn.RotaryFrequencies;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Rotary embeddings as configurations ask for them; expected numbers are those of transformers 5.18. */
class RotaryConfigTest {

    @TempDir
    Path directory;

    @ParameterizedTest
    @MethodSource("org.finetune4j.model.GoldenModels#names")
    void theSpellingsOfTransformers4And5MeanTheSameModel(String name) throws IOException {
        Path source = GoldenModels.directory(name);
        try (Stream<Path> files = Files.list(source)) {
            for (Path file : files.filter(f -> f.getFileName().toString().startsWith("model"))
                    .toList()) {
                Files.copy(file, directory.resolve(file.getFileName()));
            }
        }
        Files.copy(
                source.resolve("config.v4.json"),
                directory.resolve("config.json"),
                StandardCopyOption.REPLACE_EXISTING);
        ModelInputs inputs = ModelInputs.of(IntStream.range(5, 29).toArray());
        try (TensorScope scope = TensorScope.open();
                CausalLM newSpelling = CausalLM.load(source);
                CausalLM oldSpelling = CausalLM.load(directory)) {
            assertArrayEquals(
                    newSpelling.logits(inputs).toFloatArray(),
                    oldSpelling.logits(inputs).toFloatArray());
        }
    }

    @Test
    void dynamicScalingRaisesTheBaseBeyondTheTrainedLength() {
        RotaryEmbedding rotary = rotary("\"rope_type\": \"dynamic\", \"factor\": 4.0", 8);
        RotaryFrequencies standard = RotaryFrequencies.standard(8, 10_000);
        assertArrayEquals(standard.values(), rotary.frequencies(64).values());
        // base * (4 * 96 / 64 - 3) ^ (8 / 6)
        double base = 10_000 * Math.pow(3, 8 / 6.0);
        assertArrayEquals(
                RotaryFrequencies.standard(8, base).values(),
                rotary.frequencies(96).values(),
                1e-12);
    }

    @Test
    void yarnMixesSpeedsBetweenItsBoundsAndScalesAttention() {
        String common = "\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\": 512";
        RotaryFrequencies yarn = rotary(common, 8).frequencies(1);
        assertEquals(0.1 * Math.log(4) + 1, yarn.attentionFactor(), 1e-12);
        assertArrayEquals(new double[] {1, 0.0625, 0.0025, 0.00025}, yarn.values(), 1e-8);
        RotaryFrequencies fractional =
                rotary(common + ", \"truncate\": false", 8).frequencies(1);
        assertArrayEquals(new double[] {1, 0.07039863616, 0.0025, 0.00025}, fractional.values(), 1e-8);
        RotaryFrequencies narrow =
                rotary(common + ", \"beta_fast\": 8, \"beta_slow\": 2", 8).frequencies(1);
        assertArrayEquals(new double[] {1, 0.1, 0.0025, 0.00025}, narrow.values(), 1e-8);
        RotaryFrequencies given =
                rotary(common + ", \"attention_factor\": 1.5", 8).frequencies(1);
        assertEquals(1.5, given.attentionFactor());
        RotaryFrequencies scales =
                rotary(common + ", \"mscale\": 0.7, \"mscale_all_dim\": 0.5", 8).frequencies(1);
        assertEquals((0.07 * Math.log(4) + 1) / (0.05 * Math.log(4) + 1), scales.attentionFactor(), 1e-12);
    }

    @Test
    void longRopeTurnsLongSequencesOtherwise() {
        RotaryEmbedding rotary = rotary("""
                "type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 4.0],
                "original_max_position_embeddings": 16""", 4);
        double[] standard = RotaryFrequencies.standard(4, 10_000).values();
        assertArrayEquals(
                new double[] {standard[0], standard[1] / 1.5},
                rotary.frequencies(16).values());
        assertArrayEquals(
                new double[] {standard[0] / 2, standard[1] / 4},
                rotary.frequencies(17).values());
        assertEquals(
                Math.sqrt(1 + Math.log(4) / Math.log(16)), rotary.frequencies(1).attentionFactor(), 1e-12);
    }

    @Test
    void aTextThatGrowsPastTheLengthAtWhichLongRopeChangesIsReadAgain() {
        ModelConfig config = ModelConfig.parse("""
                {"architectures": ["Phi3ForCausalLM"], "vocab_size": 41, "hidden_size": 16, "intermediate_size": 16,
                 "num_hidden_layers": 1, "num_attention_heads": 4, "max_position_embeddings": 64,
                 "original_max_position_embeddings": 8,
                 "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 4.0]}}
                """, "phi");
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.initialize(config, null, Device.CPU, 1)) {
            int[] ids = IntStream.range(1, 13).toArray();
            for (int prompt : new int[] {9, 6}) {
                float[] found = TextGeneratorCaches.logitsTokenByToken(model, ids, prompt);
                for (int length = prompt; length <= ids.length; length++) {
                    float[] whole = model.logits(ModelInputs.of(Arrays.copyOf(ids, length)))
                            .select(1, length - 1L)
                            .contiguous()
                            .toFloatArray();
                    int from = (length - prompt) * whole.length;
                    assertArrayEquals(whole, Arrays.copyOfRange(found, from, from + whole.length), 1e-5f);
                }
            }
        }
    }

    /** Beside it comes first, as in transformers. */
    @Test
    void theOriginalLengthIsBesideTheScalingOrInItOrTheModelsOwn() {
        String given = ", \"original_max_position_embeddings\": ";
        assertEquals(64, originalLength("", ""));
        assertEquals(16, originalLength("", given + 16));
        assertEquals(32, originalLength(given + 32, given + 16));
    }

    private static int originalLength(String beside, String inside) {
        ModelConfig config = ModelConfig.parse("""
                {"max_position_embeddings": 64, "rope_scaling": {"rope_type": "longrope", "factor": 2.0,
                 "short_factor": [1.0, 1.5], "long_factor": [2.0, 4.0] %s} %s}""".formatted(inside, beside), "c");
        return ((LongRope) RotaryConfig.of(config, 4)).originalContext();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            "rope_type": "yran"                                                  | did you mean
            "rope_type": "default", "mrope_section": [1, 2]                      | mrope_section
            "rope_type": "linear"                                                | factor
            "rope_theta": "many"                                                 | rope_theta
            "rope_type": "linear", "factr": 2.0                                  | factr
            "rope_type": "longrope", "short_factor": [1.0], "original_max_position_embeddings": 8, "factor": 2.0 | short_factor
            "rope_type": "default", "partial_rotary_factor": 0.4                 | partial_rotary_factor
            """)
    void whatIsNotImplementedIsRefusedByName(String parameters, String expected) {
        UserErrorException error = assertThrows(UserErrorException.class, () -> rotary(parameters, 8));
        assertTrue(error.getMessage().contains(expected), error.getMessage());
        assertTrue(error.getMessage().contains("rope_parameters") || expected.startsWith("partial"), error::getMessage);
    }

    @Test
    void bothSpellingsAtOnceMustSayTheSame() {
        String both = """
                {"max_position_embeddings": 64, "rope_scaling": {"type": "linear", "factor": %s},
                 "rope_parameters": {"rope_theta": 100.0, "rope_type": "linear", "factor": 2}}""";
        RotaryEmbedding same = RotaryConfig.of(ModelConfig.parse(both.formatted("2.0"), "config.json"), 8);
        assertEquals(0.5, same.frequencies(1).values()[0]);
        ModelConfig other = ModelConfig.parse(both.formatted("4.0"), "config.json");
        String message = assertThrows(UserErrorException.class, () -> RotaryConfig.of(other, 8))
                .getMessage();
        assertTrue(message.contains("'rope_scaling' says 'factor': 4.0"), message);
    }

    /** Without a place for each kind of layers, a scaling that has a base of its own has it for those kinds that it is meant for. */
    @Test
    void theBaseOfAScalingComesBeforeThatOfItsKind() {
        ModelConfig config = ModelConfig.parse(
                "{\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 2.0, \"rope_theta\": 100.0}}",
                "config.json");
        double[] scaled = RotaryConfig.ofLayerType(config, 4, "full_attention", 1e6, true)
                .frequencies(1)
                .values();
        assertArrayEquals(new double[] {0.5, 0.05}, scaled, 1e-12);
        double[] other = RotaryConfig.ofLayerType(config, 4, "sliding_attention", 1e4, false)
                .frequencies(1)
                .values();
        assertArrayEquals(new double[] {1, 0.01}, other, 1e-12);
    }

    private static RotaryEmbedding rotary(String parameters, int headDim) {
        ModelConfig config = ModelConfig.parse(
                "{\"max_position_embeddings\": 64, \"rope_parameters\": {" + parameters + "}}", "config.json");
        return RotaryConfig.of(config, headDim);
    }
}
