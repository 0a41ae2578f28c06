package org.finetune4j.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 256})
    void theRoomOfEveryLayerFollowsTheTokensAndNotTheNumberOfLayers(int firstCapacity) {
        try (TensorScope scope = TensorScope.open();
                GrowingKeyValueCache cache = new GrowingKeyValueCache(firstCapacity)) {
            int length = 0;
            for (int added : new int[] {5, 1, 250, 1, 1, 300}) {
                for (int layer = 0; layer < LAYERS; layer++) {
                    try (TensorScope step = TensorScope.open()) {
                        Tensor keys = Tensors.full(layer, DType.FLOAT32, Device.CPU, 2, added, KV_HEADS, HEAD_DIM);
                        cache.append(layer, keys, keys);
                    }
                }
                cache.advance(added);
                length += added;
                long aToken = 2L * LAYERS * 2 * KV_HEADS * HEAD_DIM * DType.FLOAT32.itemSize();
                assertTrue(
                        cache.bytes() <= aToken * Math.max(firstCapacity, 2 * length),
                        cache.bytes() + " bytes for " + length + " tokens");
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
