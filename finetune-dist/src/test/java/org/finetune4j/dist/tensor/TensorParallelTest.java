package org.finetune4j.dist.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.dist.communicator.LocalRanks;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Shares of a model give what the model gives: scores, loss, the gradient of every parameter. */
class TensorParallelTest {

    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final LoadOptions PLAIN = new LoadOptions(Device.CPU, DType.FLOAT32).withComputeDType(DType.FLOAT32);

    private static Path model(String name) {
        return TensorPass.GOLDENS.resolve(name);
    }

    private static TensorPass alone(String name, FineTuningStrategy strategy) {
        try (CausalLM model = CausalLM.load(model(name), PLAIN)) {
            return TensorPass.of(model, strategy, 0);
        }
    }

    private static List<TensorPass> divided(
            String name, int ranks, ExpertDivision experts, FineTuningStrategy strategy, int checkpointed) {
        return LocalRanks.call(ranks, PATIENCE, rank -> {
            try (TensorParallel tensor = new TensorParallel(rank, experts);
                    CausalLM share = tensor.load(model(name), PLAIN)) {
                return TensorPass.of(share, strategy, checkpointed);
            }
        });
    }

    static void requireSame(TensorPass expected, List<TensorPass> shares) {
        double overall = expected.gradients().values().stream()
                .mapToDouble(TensorParallelTest::largest)
                .max()
                .orElse(0);
        for (TensorPass share : shares) {
            assertEquals(expected.loss(), share.loss(), 1e-5 * Math.abs(expected.loss()));
            requireClose("logits", expected.logits(), share.logits(), 0);
            assertEquals(expected.gradients().keySet(), share.gradients().keySet());
            for (Map.Entry<String, float[]> entry : expected.gradients().entrySet()) {
                float[] actual = share.gradients().get(entry.getKey());
                requireClose(entry.getKey(), entry.getValue(), actual == null ? new float[0] : actual, overall);
            }
        }
    }

    private static double largest(float[] values) {
        double largest = 0;
        for (float value : values) {
            largest = Math.max(largest, Math.abs(value));
        }
        return largest;
    }

    /** Within 1e-5 of the largest value; of all gradients' where all should be zero, as those of a bias of keys. */
    private static void requireClose(String name, float[] expected, float[] actual, double overall) {
        assertEquals(expected.length, actual.length, name);
        double largest = largest(expected);
        double difference = 0;
        for (int i = 0; i < expected.length; i++) {
            difference = Math.max(difference, Math.abs(expected[i] - actual[i]));
        }
        double limit = 1e-5 * Math.max(largest, largest < 1e-4 * overall ? overall : 0) + 2e-7;
        double worst = difference;
        assertTrue(worst <= limit, () -> name + " differs by " + worst + ", more than " + limit);
    }

    @ParameterizedTest(name = "{0} on {1} ranks, experts {2}, checkpointed every {3} layers")
    @CsvSource({
        "arch/llama, 2, SLICES, 0",
        "arch/llama, 4, SLICES, 1",
        "arch/llama-tied, 2, SLICES, 0",
        "arch/llama-rope-yarn, 2, SLICES, 0",
        "arch/mistral, 2, SLICES, 0",
        "arch/qwen2, 2, SLICES, 0",
        "arch/qwen2, 4, SLICES, 0",
        "arch/qwen3, 2, SLICES, 0",
        "arch/qwen3, 4, SLICES, 0",
        "arch/gemma2, 2, SLICES, 1",
        "arch/gemma3_text, 4, SLICES, 0",
        "arch/phi3, 2, SLICES, 1",
        "arch/gpt2, 2, SLICES, 0",
        "arch/gpt2, 4, SLICES, 1",
        "arch/gpt_neox, 2, SLICES, 1",
        "arch/opt, 2, SLICES, 0",
        "arch/opt, 4, SLICES, 0",
        "arch/mixtral, 2, SLICES, 0",
        "arch/mixtral, 2, WHOLE, 0",
        "arch/mixtral, 4, WHOLE, 1",
        "arch/qwen3_moe, 2, SLICES, 0",
        "arch/qwen3_moe, 4, WHOLE, 0",
        "arch/smollm3, 2, SLICES, 0",
        "arch/granite, 4, SLICES, 1",
        "arch/olmo3, 2, SLICES, 0",
        "arch/qwen2_moe, 2, SLICES, 0",
        "arch/starcoder2, 4, SLICES, 0",
        "arch/cohere, 2, SLICES, 1",
        "arch/cohere2, 4, SLICES, 0",
        "arch/glm, 2, SLICES, 0",
        "arch/glm4, 2, SLICES, 1",
        "arch/phi, 4, SLICES, 0",
        "arch/olmoe, 2, WHOLE, 0",
        "arch/stablelm, 4, SLICES, 0",
        "arch/gpt_oss, 2, SLICES, 0",
        "arch/gpt_oss, 4, SLICES, 1",
        "arch/gpt_oss, 2, WHOLE, 0",
        "arch/gpt_oss, 4, WHOLE, 0",
        "variants/gpt-oss-no-windows, 2, SLICES, 0",
        "arch/ministral3, 4, SLICES, 0",
        "arch/seed_oss, 2, SLICES, 1",
        "arch/ernie4_5, 2, SLICES, 0",
        "arch/hunyuan_v1_dense, 4, SLICES, 0",
        "arch/exaone4, 2, SLICES, 0",
        "arch/arcee, 4, SLICES, 1",
        "arch/apertus, 2, SLICES, 0",
        "arch/apertus, 4, SLICES, 1",
        "arch/nemotron, 2, SLICES, 0",
        "arch/helium, 4, SLICES, 0",
        "arch/olmo, 2, SLICES, 1",
        "arch/glm4_moe, 2, SLICES, 0",
        "arch/falcon, 4, SLICES, 0",
        "variants/gpt-bigcode-heads, 2, SLICES, 0",
        "variants/falcon-in-turn, 2, SLICES, 1",
        "arch/glm4_moe, 4, WHOLE, 1",
        "variants/cohere-normalised-heads, 2, SLICES, 0",
        "variants/cohere-normalised-heads, 4, SLICES, 0",
        "variants/phi-normalised-heads, 2, SLICES, 0",
        "variants/stablelm-parallel, 2, SLICES, 0",
        "variants/gemma-1, 2, SLICES, 0",
        "variants/olmo2-missing-keys, 2, SLICES, 1",
        "variants/gpt-neox-sequential, 2, SLICES, 0",
        "variants/opt-350m-shape, 2, SLICES, 1",
        "variants/opt-galactica-shape, 2, SLICES, 0",
        "variants/qwen3-moe-mixed-layers, 2, SLICES, 0",
        "variants/llama-tied-with-another-head, 2, SLICES, 0",
    })
    void sharesGiveWhatTheModelGives(String name, int ranks, ExpertDivision experts, int checkpointed) {
        FineTuningStrategy full = new FullFineTuning();
        requireSame(alone(name, full), divided(name, ranks, experts, full, checkpointed));
    }

    @ParameterizedTest(name = "{0} on {1} ranks")
    @CsvSource(
            delimiter = '|',
            value = {
                "arch/llama|3|tensor_parallel_size 3 does not divide num_attention_heads 4: sizes that do are 1, 2, 4",
                "variants/falcon-7b-shape|2|tensor_parallel_size 2 does not divide num_key_value_heads 1: sizes that do are 1",
                "arch/gpt_bigcode|2|tensor_parallel_size 2 does not divide num_key_value_heads 1: sizes that do are 1",
                "arch/falcon|8|tensor_parallel_size 8 does not divide num_key_value_heads 4: sizes that do are 1, 2, 4",
                "arch/phi3|4|tensor_parallel_size 4 does not divide num_key_value_heads 2: sizes that do are 1, 2",
                "arch/gpt2|3|tensor_parallel_size 3 does not divide n_head 4: sizes that do are 1, 2, 4",
                "variants/stablelm-normalised-heads|2|tensor_parallel_size 2 is not implemented for architecture 'StableLmForCausalLM', whose 'model.layers.0.self_attn.q_proj' does not say how it is divided",
            })
    void whatCannotBeDividedIsSaidInOneLine(String name, int ranks, String expected) {
        UserErrorException e = assertThrows(
                UserErrorException.class, () -> divided(name, ranks, ExpertDivision.SLICES, new FullFineTuning(), 0));
        assertTrue(String.valueOf(e.getMessage()).contains(expected), e::getMessage);
    }
}
