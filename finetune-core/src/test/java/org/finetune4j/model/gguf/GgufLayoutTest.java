package org.finetune4j.model.gguf;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.model.safetensors.SafetensorsWriter;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where each architecture's numbers go. Two layers of 4 heads with 4 elements, two of them for keys; hidden size 16. */
class GgufLayoutTest {

    private static final String EXPERTS =
            "\"num_experts\": 3, \"num_local_experts\": 3, \"num_experts_per_tok\": 2, \"moe_intermediate_size\": 12";

    @TempDir
    Path directory;

    private GgufFile export(String architecture, String settings) throws IOException {
        Path model = NumberedModels.write(
                directory.resolve("model"), NumberedModels.config(architecture, "{" + settings + "}"));
        Path output = directory.resolve("model.gguf");
        GgufExport.write(model, GgufType.F32, output);
        return GgufFile.open(output);
    }

    private float[] stored(String name) {
        try (TensorScope scope = TensorScope.open();
                CheckpointReader checkpoint = CheckpointReader.open(directory.resolve("model"))) {
            return checkpoint.tensor(name).toFloatArray();
        }
    }

    private static float[] written(GgufFile file, String name) {
        float[] values = new float[Math.toIntExact(file.tensors().get(name).count())];
        file.bytes(name).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }

    /** The rows of the stored matrix in another order. */
    private static float[] rows(float[] matrix, int width, int... order) {
        float[] rows = new float[order.length * width];
        for (int row = 0; row < order.length; row++) {
            System.arraycopy(matrix, order[row] * width, rows, row * width, width);
        }
        return rows;
    }

    @ParameterizedTest(name = "{0}: {2} becomes {3}")
    @CsvSource(delimiter = '|', textBlock = """
            Phi3ForCausalLM     |                 | self_attn.qkv_proj.weight         | attn_qkv.weight
            Phi3ForCausalLM     |                 | mlp.gate_up_proj.weight           | ffn_up.weight
            GlmForCausalLM      | "head_dim": 4   | mlp.gate_up_proj.weight           | ffn_up.weight
            GlmForCausalLM      | "head_dim": 4   | self_attn.q_proj.weight           | attn_q.weight
            GlmForCausalLM      | "head_dim": 4   | post_attention_layernorm.weight   | ffn_norm.weight
            Glm4ForCausalLM     | "head_dim": 4   | post_attention_layernorm.weight   | ffn_norm.weight
            Glm4ForCausalLM     | "head_dim": 4   | post_self_attn_layernorm.weight   | post_attention_norm.weight
            Glm4ForCausalLM     | "head_dim": 4   | post_mlp_layernorm.weight         | post_ffw_norm.weight
            Olmo2ForCausalLM    |                 | post_attention_layernorm.weight   | post_attention_norm.weight
            Olmo2ForCausalLM    |                 | post_feedforward_layernorm.weight | post_ffw_norm.weight
            Olmo2ForCausalLM    |                 | self_attn.q_norm.weight           | attn_q_norm.weight
            CohereForCausalLM   |                 | self_attn.k_proj.weight           | attn_k.weight
            CohereForCausalLM   |                 | input_layernorm.weight            | attn_norm.weight
            Starcoder2ForCausalLM |               | mlp.c_fc.bias                     | ffn_up.bias
            Starcoder2ForCausalLM |               | mlp.c_proj.weight                 | ffn_down.weight
            PhiForCausalLM      |                 | self_attn.dense.bias              | attn_output.bias
            PhiForCausalLM      |                 | mlp.fc1.weight                    | ffn_up.weight
            StableLmForCausalLM | "partial_rotary_factor": 0.5 | input_layernorm.bias | attn_norm.bias
            SmolLM3ForCausalLM  |                 | self_attn.v_proj.weight           | attn_v.weight
            """)
    void whatLlamaCppHasAlikeKeepsItsOrder(String architecture, String settings, String source, String target)
            throws IOException {
        try (GgufFile file = export(architecture, settings == null ? "" : settings)) {
            assertArrayEquals(stored("model.layers.1." + source), written(file, "blk.1." + target));
        }
    }

    @ParameterizedTest
    @CsvSource({"GraniteForCausalLM", "SmolLM3ForCausalLM", "MixtralForCausalLM"})
    void halvesOfAHeadBecomePairsWhereLlamaCppRotatesNeighbours(String architecture) throws IOException {
        try (GgufFile file = export(architecture, EXPERTS)) {
            float[] keys = stored("model.layers.1.self_attn.k_proj.weight");
            assertArrayEquals(rows(keys, 16, 0, 2, 1, 3, 4, 6, 5, 7), written(file, "blk.1.attn_k.weight"));
        }
    }

    @Test
    void biasesOfHalvesBecomePairsToo() throws IOException {
        try (GgufFile file = export("GraniteForCausalLM", "\"attention_bias\": true")) {
            float[] keys = stored("model.layers.1.self_attn.k_proj.bias");
            assertArrayEquals(rows(keys, 1, 0, 2, 1, 3, 4, 6, 5, 7), written(file, "blk.1.attn_k.bias"));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "MixtralForCausalLM, block_sparse_moe, w1, w3, w2",
        "Qwen2MoeForCausalLM, mlp, gate_proj, up_proj, down_proj",
        "Qwen3MoeForCausalLM, mlp, gate_proj, up_proj, down_proj",
        "OlmoeForCausalLM, mlp, gate_proj, up_proj, down_proj"
    })
    void expertsAreStackedInTheirOrder(String architecture, String block, String gate, String up, String down)
            throws IOException {
        boolean third = architecture.startsWith("Qwen3");
        try (GgufFile file =
                export(architecture, EXPERTS + ", \"num_key_value_heads\": 4, \"norm_topk_prob\": " + third)) {
            String layer = "model.layers.1." + block + ".";
            List<String> names = List.of(gate, up, down);
            List<String> stacks = List.of("ffn_gate_exps", "ffn_up_exps", "ffn_down_exps");
            for (int i = 0; i < names.size(); i++) {
                float[] stack = written(file, "blk.1." + stacks.get(i) + ".weight");
                int size = stack.length / 3;
                for (int expert = 0; expert < 3; expert++) {
                    assertArrayEquals(
                            stored(layer + "experts." + expert + "." + names.get(i) + ".weight"),
                            Arrays.copyOfRange(stack, expert * size, (expert + 1) * size));
                }
            }
            int inner = architecture.startsWith("Qwen") ? 12 : 20;
            assertEquals(
                    List.of(3L, (long) inner, 16L),
                    file.tensors().get("blk.1.ffn_up_exps.weight").shape());
            assertArrayEquals(stored(layer + "gate.weight"), written(file, "blk.1.ffn_gate_inp.weight"));
            String prefix = architecture.startsWith("Mixtral")
                    ? "llama"
                    : architecture.replace("ForCausalLM", "").toLowerCase(java.util.Locale.ROOT);
            assertEquals(new GgufValue.Unsigned(3), file.metadata().get(prefix + ".expert_count"));
            assertEquals(new GgufValue.Unsigned(2), file.metadata().get(prefix + ".expert_used_count"));
        }
    }

    @Test
    void anExpertThatIsMissingIsNoticed() throws IOException {
        export("MixtralForCausalLM", EXPERTS).close();
        Path weights = directory.resolve("model/model.safetensors");
        try (TensorScope scope = TensorScope.open();
                CheckpointReader checkpoint = CheckpointReader.open(directory.resolve("model"))) {
            List<SafetensorsWriter.Entry> others = checkpoint.names().stream()
                    .filter(name -> !name.equals("model.layers.1.block_sparse_moe.experts.1.w2.weight"))
                    .map(name -> SafetensorsWriter.Entry.of(
                            name, checkpoint.tensor(name).copy()))
                    .toList();
            SafetensorsWriter.write(weights, others, Map.of());
        }
        String message = String.valueOf(assertThrows(
                        UserErrorException.class,
                        () -> GgufExport.write(
                                directory.resolve("model"), GgufType.F32, directory.resolve("again.gguf")))
                .getMessage());
        assertTrue(message.contains("experts.0.w2.weight") && message.contains("missing"), message);
    }

    @Test
    void theExpertForAllTokensOfQwen2HasAGateOfOneRow() throws IOException {
        try (GgufFile file = export("Qwen2MoeForCausalLM", "\"shared_expert_intermediate_size\": 10, " + EXPERTS)) {
            assertEquals(
                    List.of(16L),
                    file.tensors().get("blk.0.ffn_gate_inp_shexp.weight").shape());
            assertArrayEquals(
                    stored("model.layers.0.mlp.shared_expert.down_proj.weight"),
                    written(file, "blk.0.ffn_down_shexp.weight"));
            assertEquals(new GgufValue.Unsigned(10), file.metadata().get("qwen2moe.expert_shared_feed_forward_length"));
            assertEquals(new GgufValue.Unsigned(12), file.metadata().get("qwen2moe.expert_feed_forward_length"));
        }
    }

    @Test
    void gptNeoxsHeadsAreTakenApartIntoQueriesKeysAndValues() throws IOException {
        try (GgufFile file = export("GPTNeoXForCausalLM", "\"rotary_pct\": 0.5")) {
            int[] order = new int[48];
            for (int kind = 0; kind < 3; kind++) {
                for (int head = 0; head < 4; head++) {
                    for (int i = 0; i < 4; i++) {
                        order[kind * 16 + head * 4 + i] = head * 12 + kind * 4 + i;
                    }
                }
            }
            String attention = "gpt_neox.layers.1.attention.query_key_value";
            assertArrayEquals(rows(stored(attention + ".weight"), 16, order), written(file, "blk.1.attn_qkv.weight"));
            assertArrayEquals(rows(stored(attention + ".bias"), 1, order), written(file, "blk.1.attn_qkv.bias"));
        }
    }

    @Test
    void stableLmsNormsOfHeadsAreRowsOfOneTensor() throws IOException {
        try (GgufFile file = export(
                "StableLmForCausalLM",
                "\"partial_rotary_factor\": 0.5, \"qk_layernorm\": true, \"use_parallel_residual\": true")) {
            float[] norms = written(file, "blk.1.attn_q_norm.weight");
            assertEquals(
                    List.of(4L, 4L),
                    file.tensors().get("blk.1.attn_q_norm.weight").shape());
            assertArrayEquals(
                    stored("model.layers.1.self_attn.q_layernorm.norms.2.weight"), Arrays.copyOfRange(norms, 8, 12));
            assertEquals(
                    List.of(2L, 4L),
                    file.tensors().get("blk.1.attn_k_norm.weight").shape());
        }
    }

    @Test
    void longRopesDivisorsAreTensors() throws IOException {
        try (GgufFile file = export("Phi3ForCausalLM", """
                "original_max_position_embeddings": 16, "rope_scaling":
                {"type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 8.0]}""")) {
            assertArrayEquals(new float[] {1, 1.5f}, written(file, "rope_factors_short.weight"));
            assertArrayEquals(new float[] {2, 8}, written(file, "rope_factors_long.weight"));
            assertEquals(
                    new GgufValue.Real((float) Math.sqrt(1.5)), // 1 + ln 4 / ln 16
                    file.metadata().get("phi3.rope.scaling.attn_factor"));
            assertEquals(new GgufValue.Unsigned(16), file.metadata().get("phi3.rope.scaling.original_context_length"));
        }
    }

    /** As transformers 5 does: what is stored counts, not what is said. */
    @Test
    void anOutputLayerThatDiffersFromTheEmbeddingItIsSaidToBeIsWritten() throws IOException {
        Path model = NumberedModels.write(
                directory.resolve("model"),
                NumberedModels.config("LlamaForCausalLM", "{\"tie_word_embeddings\": false}"));
        NumberedModels.config("LlamaForCausalLM", "{\"tie_word_embeddings\": true}")
                .save(model);
        Path output = directory.resolve("model.gguf");
        GgufExport.write(model, GgufType.F32, output);
        try (GgufFile file = GgufFile.open(output)) {
            assertArrayEquals(stored("lm_head.weight"), written(file, "output.weight"));
        }
    }

    @Test
    void aMissingOutputLayerIsRefused() throws IOException {
        Path model = NumberedModels.write(
                directory.resolve("model"),
                NumberedModels.config("LlamaForCausalLM", "{\"tie_word_embeddings\": true}"));
        NumberedModels.config("LlamaForCausalLM", "{\"tie_word_embeddings\": false}")
                .save(model);
        String message = String.valueOf(assertThrows(
                        UserErrorException.class,
                        () -> GgufExport.write(model, GgufType.F32, directory.resolve("model.gguf")))
                .getMessage());
        assertTrue(message.contains("no output layer"), message);
    }
}
