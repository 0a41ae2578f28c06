package org.finetune4j.model.gguf;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.finetune4j.Services;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What holds for the file of every architecture. */
class GgufArchitectureContractTest {

    private static final String EXPERTS =
            "\"num_experts\": 3, \"num_local_experts\": 3, \"num_experts_per_tok\": 2, \"moe_intermediate_size\": 12";

    @TempDir
    Path directory;

    /** Architecture, settings besides the sizes, and llama.cpp's name. */
    static Stream<Arguments> architectures() {
        return Stream.of(
                Arguments.of("LlamaForCausalLM", "{\"attention_bias\": true, \"mlp_bias\": true}", "llama"),
                Arguments.of("MistralForCausalLM", "{\"head_dim\": 6, \"sliding_window\": 9}", "llama"),
                Arguments.of("MixtralForCausalLM", "{" + EXPERTS + "}", "llama"),
                Arguments.of("SmolLM3ForCausalLM", "{}", "smollm3"),
                Arguments.of("GraniteForCausalLM", "{\"attention_bias\": true, \"mlp_bias\": true}", "granite"),
                Arguments.of("Qwen2ForCausalLM", "{}", "qwen2"),
                Arguments.of("Qwen3ForCausalLM", "{\"head_dim\": 6}", "qwen3"),
                Arguments.of(
                        "Qwen2MoeForCausalLM",
                        "{\"shared_expert_intermediate_size\": 10, " + EXPERTS + "}",
                        "qwen2moe"),
                Arguments.of(
                        "Qwen3MoeForCausalLM",
                        "{\"head_dim\": 6, \"norm_topk_prob\": true, " + EXPERTS + "}",
                        "qwen3moe"),
                Arguments.of("OlmoeForCausalLM", "{\"num_key_value_heads\": 4, " + EXPERTS + "}", "olmoe"),
                Arguments.of("Olmo2ForCausalLM", "{}", "olmo2"),
                Arguments.of("Olmo3ForCausalLM", "{\"num_hidden_layers\": 4, \"sliding_window\": 9}", "olmo2"),
                Arguments.of("Phi3ForCausalLM", "{}", "phi3"),
                Arguments.of("PhiForCausalLM", "{}", "phi2"),
                Arguments.of("Starcoder2ForCausalLM", "{}", "starcoder2"),
                Arguments.of("GlmForCausalLM", "{\"head_dim\": 4, \"attention_bias\": true}", "chatglm"),
                Arguments.of("Glm4ForCausalLM", "{\"head_dim\": 4, \"attention_bias\": true}", "glm4"),
                Arguments.of("CohereForCausalLM", "{}", "command-r"),
                Arguments.of("Cohere2ForCausalLM", "{\"num_hidden_layers\": 4, \"sliding_window\": 9}", "cohere2"),
                Arguments.of("GPTNeoXForCausalLM", "{\"rotary_pct\": 0.5}", "gptneox"),
                Arguments.of("StableLmForCausalLM", "{\"partial_rotary_factor\": 0.5}", "stablelm"),
                Arguments.of("GemmaForCausalLM", "{\"head_dim\": 6}", "gemma"),
                Arguments.of(
                        "Gemma2ForCausalLM",
                        "{\"head_dim\": 6, \"query_pre_attn_scalar\": 6, \"sliding_window\": 9}",
                        "gemma2"),
                Arguments.of(
                        "Gemma3ForCausalLM",
                        "{\"head_dim\": 6, \"query_pre_attn_scalar\": 6, \"sliding_window\": 9}",
                        "gemma3"),
                Arguments.of(
                        "GPT2LMHeadModel",
                        "{\"n_embd\": 16, \"n_head\": 4, \"n_layer\": 2, \"n_inner\": 20," + " \"n_positions\": 64}",
                        "gpt2"));
    }

    @Test
    void everyArchitectureIsHere() {
        Set<String> known = Services.of(GgufArchitecture.class).stream()
                .flatMap(architecture -> architecture.architectures().stream())
                .collect(Collectors.toCollection(TreeSet::new));
        Set<String> tried = architectures()
                .map(arguments -> (String) arguments.get()[0])
                .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(known, tried);
    }

    private GgufFile export(ModelConfig config, GgufType type) throws IOException {
        Path model = NumberedModels.write(directory.resolve("model"), config);
        Path output = directory.resolve("model.gguf");
        GgufExport.write(model, type, output);
        return GgufFile.open(output);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("architectures")
    void sizesAreThoseOfTheConfiguration(String architecture, String settings, String name) throws IOException {
        ModelConfig config = NumberedModels.config(architecture, settings);
        try (GgufFile file = export(config, GgufType.F32)) {
            assertEquals(new GgufValue.Text(name), file.metadata().get("general.architecture"));
            assertNumber(file, name + ".block_count", config.positive("num_hidden_layers"));
            assertNumber(file, name + ".embedding_length", 16);
            assertNumber(file, name + ".feed_forward_length", 20);
            assertNumber(file, name + ".attention.head_count", 4);
            if (!name.equals("gpt2")) { // which has no key for it
                assertNumber(file, name + ".attention.head_count_kv", name.matches("olmoe|gptneox") ? 4 : 2);
            }
            boolean limited = architecture.equals("MistralForCausalLM");
            assertNumber(file, name + ".context_length", limited ? 9 : 64);
            assertEquals(
                    1,
                    file.metadata().keySet().stream()
                            .filter(key -> key.matches(name + "\\.attention\\.layer_norm_(rms_)?epsilon"))
                            .count(),
                    "one number for all norms");
        }
    }

    private static void assertNumber(GgufFile file, String key, int expected) {
        assertEquals(new GgufValue.Unsigned(expected), file.metadata().get(key), key);
    }

    /** Whatever changes its place or is stacked: nothing is lost, nothing is made up. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("architectures")
    void everyNumberOfTheCheckpointIsWritten(String architecture, String settings, String name) throws IOException {
        for (boolean tied : new boolean[] {true, false}) {
            ModelConfig config = NumberedModels.config(architecture, settings).withTiedEmbeddings(tied);
            if (name.matches(tied ? "phi2" : "gemma2?|cohere2|command-r")) {
                continue; // is refused
            }
            try (GgufFile file = export(config, GgufType.F32)) {
                List<Float> written = new ArrayList<>();
                for (String tensor : file.tensors().keySet()) {
                    boolean again = tied && tensor.equals("output.weight");
                    float[] values = floats(file, tensor);
                    if (again) {
                        assertArrayEquals(floats(file, "token_embd.weight"), values);
                    } else {
                        for (float value : values) {
                            written.add(value);
                        }
                    }
                }
                written.sort(null);
                assertEquals(stored(name.startsWith("gemma")), written);
                assertTrue(tied || file.tensors().containsKey("output.weight"));
            }
        }
    }

    private static float[] floats(GgufFile file, String tensor) {
        float[] values = new float[Math.toIntExact(file.tensors().get(tensor).count())];
        file.bytes(tensor).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }

    /** What the checkpoint has, in order; Gemma's norms are one larger in the file. */
    private List<Float> stored(boolean gemma) {
        List<Float> values = new ArrayList<>();
        try (TensorScope scope = TensorScope.open();
                CheckpointReader checkpoint = CheckpointReader.open(directory.resolve("model"))) {
            for (String tensor : checkpoint.names()) {
                float offset = gemma && tensor.endsWith("norm.weight") ? 1 : 0;
                for (float value : checkpoint.tensor(tensor).toFloatArray()) {
                    values.add(value + offset);
                }
            }
        }
        values.sort(null);
        return values;
    }

    /** The matrices have the type that is asked for, all else is float32. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("architectures")
    void normsBiasesAndRoutersStayFloat32(String architecture, String settings, String name) throws IOException {
        try (GgufFile file = export(NumberedModels.config(architecture, settings), GgufType.BF16)) {
            file.tensors().forEach((tensor, entry) -> {
                boolean full = tensor.endsWith(".bias")
                        || tensor.contains("_norm")
                        || tensor.contains("ffn_gate_inp")
                        || tensor.equals("position_embd.weight");
                assertEquals(full ? GgufType.F32 : GgufType.BF16, entry.type(), tensor);
            });
        }
    }
}
