package org.finetune4j.train.gradient;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.ModelConfig;
import org.finetune4j.model.TinyModels;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.RandomGenerator;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BackpropagationTest {

    @TempDir
    Path directory;

    @Test
    void trainingInFloat16IsRefusedWithTheRemedy() {
        UserErrorException error =
                assertThrows(UserErrorException.class, () -> Backpropagation.requireGradientRange(DType.FLOAT16));
        assertTrue(error.getMessage().contains("bfloat16"), error::getMessage);
        assertDoesNotThrow(() -> Backpropagation.requireGradientRange(DType.BFLOAT16));
    }

    /** A reference model may answer from inside of another's loss, on the same thread, in a training step. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "llama", "opt", "gpt_neox"})
    void whatIsAskedInsideOfAStepThatDropsElementsDropsNone(String name) {
        try (TensorScope scope = TensorScope.open();
                RandomGenerator.Use use = RandomGenerator.of(3).use();
                CausalLM model = TinyModels.loadWithDropout(name);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            int[] ids = {5, 6, 7, 8};
            Batch batch = new Batch(1, 4, ids, new byte[] {1, 1, 1, 1}, ids, null);
            float[] expected = model.logits(batch.modelInputs()).toFloatArray();
            LossHead loss = LanguageModelLoss.of(model.network(), batch, 1);
            double[] losses = new double[2];
            LossHead asking = (hiddenStates, context, wantGradient) -> {
                assertArrayEquals(expected, model.logits(batch.modelInputs()).toFloatArray());
                losses[0] = new Backpropagation(model, GradientCheckpointing.none())
                        .evaluate(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
                return loss.apply(hiddenStates, context, wantGradient);
            };
            losses[1] = new Backpropagation(model, GradientCheckpointing.every(1)).run(batch.modelInputs(), asking);
            double plain = new Backpropagation(model, GradientCheckpointing.none())
                    .withoutDropout()
                    .run(batch.modelInputs(), loss);
            assertEquals(plain, losses[0], 1e-6 * plain);
            assertNotEquals(plain, losses[1], 1e-3 * plain);
        }
    }

    @Test
    void lookingUpThePaddingGivesItsRowNoGradient() {
        ModelConfig config = ModelConfig.parse("""
                {"architectures": ["LlamaForCausalLM"], "vocab_size": 9, "hidden_size": 8, "intermediate_size": 8,
                 "num_hidden_layers": 1, "num_attention_heads": 2, "pad_token_id": 2}
                """, "config.json");
        try (TensorScope scope = TensorScope.open();
                CausalLM model = CausalLM.initialize(config, null, Device.CPU, 1);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            int[] ids = {1, 2, 3, 4};
            Batch batch = new Batch(1, 4, ids, new byte[] {1, 1, 1, 1}, ids, null);
            new Backpropagation(model, GradientCheckpointing.none())
                    .run(batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1));
            Tensor gradient = model.network().inputEmbedding().weight().grad();
            assertEquals(0, gradient.select(0, 2).abs().max().item());
            assertTrue(gradient.select(0, 3).abs().max().item() > 0);
        }
    }
}
