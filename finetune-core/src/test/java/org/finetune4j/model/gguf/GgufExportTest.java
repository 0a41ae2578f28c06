package org.finetune4j.model.gguf;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.GoldenModels;
import org.finetune4j.model.safetensors.CheckpointReader;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GgufExportTest {

    /** A tokenizer with byte fallback: 3 special tokens, letters, two merges. */
    private static final String SPM = """
            {"added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true},
                              {"id": 2, "content": "</s>", "special": true}],
             "normalizer": {"type": "Prepend", "prepend": "\u2581"}, "pre_tokenizer": null,
             "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}},
                                {"Sequence": {"id": "A"}}]},
             "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true,
                       "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "<0x0A>": 3, "a": 4, "b": 5, "c": 6, "abc": 7, "ab": 8},
                       "merges": ["a b", "ab c"]}}
            """;

    private static final String BYTE_LEVEL = """
            {"added_tokens": [{"id": 2, "content": "<|end|>", "special": false}],
             "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
             "model": {"type": "BPE", "vocab": {"a": 0, "ab": 1}, "merges": [["a", "b"]]}}
            """;

    @TempDir
    Path directory;

    private Path model(String golden, String tokenizer) throws IOException {
        Path model = Files.createDirectories(directory.resolve(golden));
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(GoldenModels.directory(golden).resolve(file), model.resolve(file));
        }
        Files.writeString(model.resolve("tokenizer.json"), tokenizer);
        Files.writeString(model.resolve("chat_template.jinja"), "{{ messages }}");
        return model;
    }

    private GgufFile export(String golden, String tokenizer, GgufType type) throws IOException {
        Path output = directory.resolve(golden + "-" + type + ".gguf");
        GgufExport.write(model(golden, tokenizer), type, output);
        return GgufFile.open(output);
    }

    private static float[] floats(ByteBuffer bytes) {
        float[] values = new float[bytes.remaining() / 4];
        bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        return values;
    }

    private static float[] weights(String golden, String name) {
        try (TensorScope scope = TensorScope.open();
                CheckpointReader checkpoint = CheckpointReader.open(GoldenModels.directory(golden))) {
            return checkpoint.tensor(name).toFloatArray();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"llama", "llama-tied", "llama-rope-llama3", "llama-rope-linear"})
    void llamaIsWrittenWhole(String golden) throws IOException {
        try (GgufFile file = export(golden, SPM, GgufType.F32)) {
            assertEquals(new GgufValue.Text("llama"), file.metadata().get("general.architecture"));
            assertEquals(new GgufValue.Text("{{ messages }}"), file.metadata().get("tokenizer.chat_template"));
            assertEquals(!golden.equals("llama-tied"), file.tensors().containsKey("output.weight"));
            assertEquals(golden.equals("llama-rope-llama3"), file.tensors().containsKey("rope_freqs.weight"));
            assertEquals(golden.equals("llama-rope-linear"), file.metadata().containsKey("llama.rope.scaling.factor"));
            assertArrayEquals(weights(golden, "model.embed_tokens.weight"), floats(file.bytes("token_embd.weight")));
            assertArrayEquals(
                    weights(golden, "model.layers.1.mlp.down_proj.weight"),
                    floats(file.bytes("blk.1.ffn_down.weight")));
            file.tensors().values().forEach(entry -> assertEquals(0, entry.offset() % 32));
        }
    }

    @Test
    void queriesAndKeysAreInterleaved() {
        try (TensorScope scope = TensorScope.open()) {
            // Two heads of four rows with one column: the halves of a head become pairs.
            float[] rows = {0, 1, 2, 3, 4, 5, 6, 7};
            float[] interleaved =
                    PairwiseGguf.interleaved(Tensors.of(rows, 8, 1), 2).toFloatArray();
            assertArrayEquals(new float[] {0, 2, 1, 3, 4, 6, 5, 7}, interleaved);
        }
    }

    @Test
    void theTokenizerWithByteFallbackBecomesPiecesWithScores() throws IOException {
        try (GgufFile file = export("llama", SPM, GgufType.F16)) {
            Map<String, GgufValue> metadata = file.metadata();
            assertEquals(new GgufValue.Text("llama"), metadata.get("tokenizer.ggml.model"));
            List<String> tokens = ((GgufValue.Texts) metadata.get("tokenizer.ggml.tokens")).values();
            List<Integer> types = ((GgufValue.Integers) metadata.get("tokenizer.ggml.token_type")).values();
            List<Float> scores = ((GgufValue.Reals) metadata.get("tokenizer.ggml.scores")).values();
            assertEquals(199, tokens.size(), "padded to the rows of the embedding");
            assertEquals(List.of(2, 3, 3, 6, 1, 1, 1, 1, 1, 5), types.subList(0, 10));
            assertTrue(scores.get(8) > scores.get(7), "'ab' is merged before 'abc'");
            assertTrue(scores.get(7) > scores.get(4), "characters come last");
            assertEquals(new GgufValue.Flag(true), metadata.get("tokenizer.ggml.add_bos_token"));
            assertEquals(new GgufValue.Unsigned(2), metadata.get("tokenizer.ggml.eos_token_id"));
        }
    }

    @Test
    void gpt2sMatricesAreTransposedAndItsTokenizerIsByteLevel() throws IOException {
        try (GgufFile file = export("gpt2", BYTE_LEVEL, GgufType.F32)) {
            assertEquals(new GgufValue.Text("gpt-2"), file.metadata().get("tokenizer.ggml.pre"));
            assertEquals(new GgufValue.Texts(List.of("a b")), file.metadata().get("tokenizer.ggml.merges"));
            List<Long> shape = file.tensors().get("blk.0.attn_qkv.weight").shape();
            assertEquals(3 * shape.get(1), shape.get(0));
            assertEquals(
                    GgufType.F32, file.tensors().get("position_embd.weight").type());
        }
    }

    /** llama.cpp puts one token first, and one of its own choice where the file names none. */
    @ParameterizedTest
    @CsvSource({"<s>, true", "a, false", "<s> a, false"})
    void aTokenIsPutFirstOnlyWhereTheTokenizerPutsThatOneThere(String first, boolean added) throws IOException {
        StringBuilder start = new StringBuilder();
        for (String token : first.split(" ")) {
            start.append("{\"SpecialToken\": {\"id\": \"").append(token).append("\"}}, ");
        }
        String tokenizer = SPM.replace("{\"SpecialToken\": {\"id\": \"<s>\"}},", start);
        try (GgufFile file = export("llama", tokenizer, GgufType.F32)) {
            assertEquals(new GgufValue.Flag(added), file.metadata().get("tokenizer.ggml.add_bos_token"));
        }
    }

    @Test
    void normsAndBiasesStayFloat32() throws IOException {
        try (GgufFile file = export("qwen2", BYTE_LEVEL, GgufType.BF16)) {
            assertEquals(
                    GgufType.BF16, file.tensors().get("blk.0.attn_q.weight").type());
            assertEquals(GgufType.F32, file.tensors().get("blk.0.attn_q.bias").type());
            assertEquals(GgufType.F32, file.tensors().get("output_norm.weight").type());
        }
    }

    @Test
    void q8StoresTheNearestOf255StepsOfTheLargestMagnitude() {
        float[] values = new float[64];
        for (int i = 0; i < 32; i++) {
            values[i] = (i - 16) * 0.37f;
        }
        ByteBuffer bytes = ByteBuffer.allocate(68).order(ByteOrder.LITTLE_ENDIAN);
        try (TensorScope scope = TensorScope.open()) {
            GgufQuantization.q8("weight", values, bytes);
        }
        float scale = 16 * 0.37f / 127;
        for (int i = 0; i < 32; i++) {
            assertEquals(values[i] / scale, bytes.get(2 + i), 0.5001);
        }
        assertEquals(-127, bytes.get(2));
        byte[] zeros = Arrays.copyOfRange(bytes.array(), 34, 68);
        assertArrayEquals(new byte[34], zeros, "a block of zeros has scale 0");
    }

    @Test
    void rowsThatBlocksDoNotFillAreFloat16() {
        assertEquals(
                GgufType.F16,
                new GgufTensor("a.weight", new long[] {4, 40}, () -> Tensors.zeros(DType.FLOAT32, Device.CPU, 4, 40))
                        .type(GgufType.Q8_0));
    }

    @Test
    void whatLlamaCppCannotDoIsRefusedByName() throws IOException {
        assertRefused(model("opt", SPM), "OPTForCausalLM");
        Path unigram = model("llama", SPM.replace("\"type\": \"BPE\"", "\"type\": \"Unigram\""));
        assertRefused(unigram, "Unigram");
        Files.writeString(unigram.resolve("tokenizer.json"), BYTE_LEVEL.replace("ByteLevel", "Whitespace"));
        assertRefused(unigram, "Whitespace");
        assertThrows(UserErrorException.class, () -> GgufType.parse("q4_0"));
    }

    @Test
    void textThatLlamaCppWouldReadInAnotherWayIsRefused() throws IOException {
        Path bytes =
                model("gpt2", BYTE_LEVEL.replace("\"model\"", "\"normalizer\": {\"type\": \"Lowercase\"}, \"model\""));
        assertRefused(bytes, "Lowercase");
        Files.writeString(
                bytes.resolve("tokenizer.json"),
                BYTE_LEVEL
                        .replace("\"merges\"", "\"ignore_merges\": true, \"merges\"")
                        .replace("[\"a\", \"b\"]", ""));
        assertRefused(bytes, "'ab'");
        assertRefused(model("llama", SPM.replace("\"Prepend\"", "\"NFKC\"")), "NFKC");
    }

    @Test
    void aFileOfAnotherKindIsNotReplaced() throws IOException {
        Path model = model("llama", SPM);
        Path weights = model.resolve("model.safetensors");
        byte[] before = Files.readAllBytes(weights);
        UserErrorException refused =
                assertThrows(UserErrorException.class, () -> GgufExport.write(model, GgufType.F32, weights));
        assertTrue(String.valueOf(refused.getMessage()).contains("no GGUF file"), refused.getMessage());
        assertArrayEquals(before, Files.readAllBytes(weights));
        Path empty = Files.createFile(directory.resolve("empty.gguf"));
        GgufExport.write(model, GgufType.F32, empty);
        GgufExport.write(model, GgufType.F16, empty);
        GgufFile.open(empty).close();
    }

    @Test
    void whatFloat16CannotHoldIsRefused() {
        try (TensorScope scope = TensorScope.open()) {
            float[] values = {1, -7e4f};
            long[] shape = {1, 2};
            GgufTensor large = new GgufTensor("a.weight", shape, () -> Tensors.of(values, shape));
            Path output = directory.resolve("large.gguf");
            String message = String.valueOf(assertThrows(
                            UserErrorException.class,
                            () -> GgufWriter.write(output, Map.of(), List.of(large), GgufType.F16))
                    .getMessage());
            assertTrue(message.contains("'a.weight'") && message.contains("bf16"), message);
            assertFalse(Files.exists(output));
            GgufWriter.write(output, Map.of(), List.of(large), GgufType.BF16);
        }
    }

    private void assertRefused(Path model, String part) {
        Path output = directory.resolve("refused.gguf");
        UserErrorException refused =
                assertThrows(UserErrorException.class, () -> GgufExport.write(model, GgufType.F32, output));
        assertTrue(String.valueOf(refused.getMessage()).contains(part), refused.getMessage());
        assertFalse(Files.exists(output));
    }

    @Test
    void aBrokenFileIsRefused() throws IOException {
        Path broken = directory.resolve("broken.gguf");
        Files.write(broken, new byte[] {'G', 'G', 'U', 'F', 3, 0, 0, 0, 1});
        assertThrows(UserErrorException.class, () -> GgufFile.open(broken));
    }

    /** Whatever a header says, it ends in one line. */
    @ParameterizedTest
    @CsvSource({"4611686018427387904, 3", "1099511627776, 4096", "-1, 5", "70000, 70000"})
    void sizesThatNoFileHasAreRefused(long rows, long columns) throws IOException {
        byte[] name = "a.weight".getBytes(StandardCharsets.UTF_8);
        ByteBuffer header = ByteBuffer.allocate(128).order(ByteOrder.LITTLE_ENDIAN);
        header.putInt(GgufWriter.MAGIC).putInt(GgufWriter.VERSION).putLong(1).putLong(0);
        header.putLong(name.length).put(name).putInt(2).putLong(columns).putLong(rows);
        header.putInt(GgufType.F32.id()).putLong(0);
        Path file = directory.resolve("odd.gguf");
        Files.write(file, header.array());
        try (GgufFile gguf = GgufFile.open(file)) {
            String message = String.valueOf(assertThrows(UserErrorException.class, () -> gguf.bytes("a.weight"))
                    .getMessage());
            assertTrue(message.contains("'a.weight'") && message.lines().count() == 1, message);
        }
    }
}
