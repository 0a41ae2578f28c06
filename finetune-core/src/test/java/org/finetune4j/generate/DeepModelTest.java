package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.nn.PackedWeights;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Generation with many layers and more tokens than a cache has room for at first. */
class DeepModelTest {

    private static final int LAYERS = 16;
    private static final int KV_HEADS = 1;
    private static final int HEAD_DIM = 4;

    private static CausalLM model;

    @BeforeAll
    static void make() {
        ModelConfig config = ModelConfig.parse("""
                {"architectures": ["LlamaForCausalLM"], "vocab_size": 41, "hidden_size": 8, "intermediate_size": 16,
                 "num_hidden_layers": %d, "num_attention_heads": 2, "num_key_value_heads": %d, "head_dim": %d,
                 "max_position_embeddings": 2048, "initializer_range": 0.3}
                """.formatted(LAYERS, KV_HEADS, HEAD_DIM), "a model of many layers");
        model = CausalLM.initialize(config, null, Device.CPU, 7);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @Test
    void aSessionGoesOnBeyondItsFirstRoomAsIfItHadReadAllAtOnce() {
        GenerationOptions options =
                GenerationOptions.greedy(20).toBuilder().stopTokens(Set.of()).build();
        try (GenerationSession session = TextGenerator.of(model).session()) {
            for (int length : new int[] {250, 300, 700, 1500}) {
                int[] text = text(length);
                int[] wanted = TextGenerator.of(model)
                        .completeTokens(List.of(text), options)
                        .get(0)
                        .tokens();
                Completion found = session.generate(text, options, piece -> {});
                assertArrayEquals(wanted, found.tokens(), length + " tokens");
                assertTrue(session.computedTokens() <= length);
            }
        }
    }

    @Test
    void theRoomFollowsTheTokensOfTheRowsAndNotWhatTheyMayBecome() {
        long aToken = 2L * LAYERS * KV_HEADS * HEAD_DIM * DType.FLOAT32.itemSize();
        assertEquals(aToken, KeyValueSize.ofToken(model));
        try (TensorScope scope = TensorScope.open();
                BatchDecoder decoder = new BatchDecoder(model, Long.MAX_VALUE, 0, PackedWeights.usualBytes())) {
            DecoderRow row = new DecoderRow(new TokenSequence(text(5)), null);
            decoder.add(row, 2000);
            for (int added : new int[] {0, 1, 250, 1, 1, 300}) {
                for (int token = 0; token < added; token++) {
                    row.tokens().add(token % 41);
                }
                if (!row.isRead()) {
                    decoder.read(List.of(row), Integer.MAX_VALUE);
                }
                int length = row.tokens().length();
                assertTrue(
                        decoder.bytes() <= aToken * (64 + 2L * length),
                        decoder.bytes() + " bytes for " + length + " tokens");
            }
        }
    }

    @Test
    void tokenByTokenGivesWhatTheWholeTextGives() {
        int[] ids = text(40);
        float[] stepwise = TextGeneratorCaches.logitsTokenByToken(model, ids, 30);
        try (TensorScope scope = TensorScope.open()) {
            float[] whole = model.logits(ModelInputs.of(ids))
                    .narrow(1, 29, 11)
                    .contiguous()
                    .toFloatArray();
            assertArrayEquals(whole, stepwise, 1e-4f);
        }
    }

    private static int[] text(int length) {
        return IntStream.range(0, length).map(i -> (i * 7 + i / 5) % 41).toArray();
    }
}
