package org.finetune4j.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ModelWriter;
import org.finetune4j.nn.Parameter;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.peft.lora.LoraInitialization;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** All layers decompress into the same memory: the gradients must be those of a model that was decompressed for good. */
class SharedBuffersTest {

    private static final Path LLAMA = Path.of("../finetune-core/src/test/resources/goldens/arch/llama");

    @Test
    void gradientsAreThoseOfTheDecompressedModel(@TempDir Path plain) {
        LoadOptions options =
                LoadOptions.defaults().withCompression(Quantization.qlora().compression());
        try (TensorScope scope = TensorScope.open();
                CausalLM quantised = CausalLM.load(LLAMA, options)) {
            ModelWriter.of(quantised).decompressed().write(plain);
            try (CausalLM decompressed = CausalLM.load(plain)) {
                List<float[]> expected = gradients(decompressed, GradientCheckpointing.none());
                for (int layers : new int[] {0, 1, 2}) {
                    GradientCheckpointing checkpointing =
                            layers == 0 ? GradientCheckpointing.none() : GradientCheckpointing.every(layers);
                    List<float[]> actual = gradients(quantised, checkpointing);
                    assertEquals(expected.size(), actual.size());
                    for (int i = 0; i < expected.size(); i++) {
                        assertArrayEquals(expected.get(i), actual.get(i), 1e-6f, "every " + layers);
                    }
                }
            }
            long layer = quantised.network().layers().get(0).namedParameters().values().stream()
                    .filter(parameter -> parameter.compressed() != null)
                    .mapToLong(parameter -> parameter.numel() * Float.BYTES)
                    .sum();
            assertTrue(layer > 0);
            assertEquals(layer, quantised.network().weightBuffers().bytes(), "one layer's worth, whatever the depth");
        }
    }

    private static List<float[]> gradients(CausalLM model, GradientCheckpointing checkpointing) {
        Torch.seed(3);
        int[] ids = {5, 9, 17, 33, 65, 129, 7, 11};
        byte[] mask = {1, 1, 1, 1, 1, 1, 1, 1};
        Batch batch = new Batch(1, ids.length, ids, mask, ids);
        List<float[]> gradients = new ArrayList<>();
        try (AttachedStrategy lora = Lora.builder()
                .rank(4)
                .alpha(8)
                .targetModules("all-linear")
                .initialization(LoraInitialization.RANDOM)
                .build()
                .attach(model)) {
            new Backpropagation(model, checkpointing)
                    .run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1.0 / 7));
            for (Parameter parameter : lora.trainableParameters()) {
                gradients.add(Objects.requireNonNull(parameter.grad()).toFloatArray());
            }
        }
        return gradients;
    }
}
