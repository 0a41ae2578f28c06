package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelInputs;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraInitialization;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Threads that compute with one quantised model at once get what one of them gets alone. */
@Tag("slow")
class QuantisedThreadsTest {

    private static final Path LLAMA = Path.of("../finetune-core/src/test/resources/goldens/arch/llama");
    private static final int TURNS = 24;

    private static CausalLM load() {
        return CausalLM.load(
                LLAMA,
                LoadOptions.defaults().withCompression(Quantization.qlora().compression()));
    }

    /** Enough rows that weights are decompressed as a whole. */
    private static ModelInputs inputs(int first) {
        return ModelInputs.of(
                IntStream.range(0, 64).map(i -> 3 + (first + 7 * i) % 150).toArray());
    }

    private static float[] logits(CausalLM model, int first) {
        try (TensorScope scope = TensorScope.open()) {
            return model.logits(inputs(first)).toFloatArray();
        }
    }

    private static Map<String, float[]> gradients(CausalLM model, AttachedStrategy lora, boolean checkpointed) {
        int[] ids = inputs(5).inputIds();
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, (byte) 1);
        Batch batch = new Batch(1, ids.length, ids, mask, ids);
        lora.trainableParameters().forEach(parameter -> parameter.clearGrad());
        new Backpropagation(model, checkpointed ? GradientCheckpointing.every(1) : GradientCheckpointing.none())
                .run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens()));
        Map<String, float[]> gradients = new HashMap<>();
        try (TensorScope scope = TensorScope.open()) {
            lora.trainableParameters()
                    .forEach(parameter -> gradients.put(
                            parameter.name(), parameter.grad().contiguous().toFloatArray()));
        }
        return gradients;
    }

    @Test
    void thatAnswer() throws Exception {
        try (CausalLM model = load()) {
            List<float[]> expected = IntStream.range(0, TURNS)
                    .mapToObj(turn -> logits(model, turn))
                    .toList();
            ExecutorService threads = Executors.newFixedThreadPool(3);
            try {
                List<Future<float[]>> running = new ArrayList<>();
                for (int turn = 0; turn < TURNS; turn++) {
                    int first = turn;
                    running.add(threads.submit(() -> logits(model, first)));
                }
                for (int turn = 0; turn < TURNS; turn++) {
                    assertArrayEquals(expected.get(turn), running.get(turn).get());
                }
            } finally {
                threads.shutdownNow();
            }
        }
    }

    @ParameterizedTest(name = "checkpointed: {0}")
    @ValueSource(booleans = {false, true})
    void thatAnswerWhileAnotherTrains(boolean checkpointed) throws Exception {
        Torch.seed(3);
        try (CausalLM model = load();
                AttachedStrategy lora = Lora.builder()
                        .rank(4)
                        .targetModules("all-linear")
                        .initialization(LoraInitialization.RANDOM)
                        .build()
                        .attach(model)) {
            Map<String, float[]> alone = gradients(model, lora, checkpointed);
            float[] expected = logits(model, 1);
            ExecutorService threads = Executors.newFixedThreadPool(2);
            try {
                List<Future<float[]>> running = new ArrayList<>();
                for (int turn = 0; turn < 60; turn++) {
                    running.add(threads.submit(() -> logits(model, 1)));
                }
                for (int turn = 0; turn < 12; turn++) {
                    Map<String, float[]> found = gradients(model, lora, checkpointed);
                    assertEquals(alone.keySet(), found.keySet());
                    alone.forEach((name, values) -> assertArrayEquals(values, found.get(name), name));
                }
                for (Future<float[]> answer : running) {
                    assertArrayEquals(expected, answer.get());
                }
            } finally {
                threads.shutdownNow();
            }
        }
    }
}
