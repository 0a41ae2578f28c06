package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.quant.optimizer.BlockwiseAdamW;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.NativeMemory;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.finetune4j.train.offload.StateMemory;
import org.finetune4j.train.optimizer.ParameterGroup;
import org.junit.jupiter.api.Test;

/** A QLoRA step leaves nothing behind. */
class FlatMemoryTest {

    private static final Path LLAMA = Path.of("../finetune-core/src/test/resources/goldens/arch/llama");

    private static final int STEPS = 25;
    private static final long ALLOWED = 1L << 20;

    @Test
    void stepsTakeNoMoreThanTheFirst() {
        LoadOptions options =
                LoadOptions.defaults().withCompression(Quantization.qlora().compression());
        int[] ids = IntStream.range(0, 64).map(i -> 3 + 7 * i % 50).toArray();
        byte[] mask = new byte[ids.length];
        Arrays.fill(mask, (byte) 1);
        Batch batch = new Batch(1, ids.length, ids, mask, ids);
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.load(LLAMA, options);
                AttachedStrategy lora = Lora.builder()
                        .rank(8)
                        .alpha(8)
                        .targetModules("all-linear")
                        .build()
                        .attach(model);
                BlockwiseAdamW optimizer = new BlockwiseAdamW(
                        ParameterGroup.all(List.<Parameter>copyOf(lora.trainableParameters()), 0),
                        0.9,
                        0.999,
                        1e-8,
                        true,
                        StateMemory.resident())) {
            Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.every(1));
            Set<Long> buffers = new HashSet<>();
            long leaked = NativeMemory.leak(() -> {
                for (int step = 0; step < STEPS; step++) {
                    backpropagation.run(
                            batch.modelInputs(),
                            LanguageModelLoss.of(model.network(), batch, 1.0 / batch.labelledTokens()));
                    optimizer.step(1e-3);
                    optimizer.clearGradients();
                }
                buffers.add(model.network().weightBuffers().bytes());
            });
            assertEquals(1, buffers.size());
            assertTrue(leaked < ALLOWED, "native memory grew by " + leaked + " bytes every " + STEPS + " steps");
        }
    }
}
