package org.finetune4j.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LanguageModelLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Numbers that choose a row of a table are refused by name before libtorch sees them. */
class IndexRangeTest {

    private static final Path MODELS = Path.of("src/test/resources/goldens/arch");
    private static final byte[] MASK = {1, 1, 1, 1};

    private static void assertRefused(String expected, Executable call) {
        String message = assertThrows(UserErrorException.class, call).getMessage();
        assertTrue(message.contains(expected), message);
        assertEquals(1, message.lines().count());
    }

    private static ModelInputs inputs(int lastToken, int lastPosition) {
        return new ModelInputs(2, 2, new int[] {5, 6, 7, lastToken}, MASK, new int[] {0, 1, 0, lastPosition});
    }

    @Test
    void tokensPositionsTypesAndMasksThatNoModelHas() {
        assertRefused("token id -1 (row 1, position 1)", () -> inputs(-1, 1));
        assertRefused("position id -3 (row 1, position 1)", () -> inputs(8, -3));
        assertRefused("token type id -1", () -> inputs(8, 1).withTokenTypeIds(new int[] {0, 0, 0, -1}));
        assertRefused(
                "attention mask 2", () -> new ModelInputs(1, 4, new int[] {5, 6, 7, 8}, new byte[] {1, 1, 2, 1}, null));
    }

    @Test
    void tokensPositionsAndTypesThatThisModelDoesNotHave() {
        try (CausalLM gpt2 = CausalLM.load(MODELS.resolve("gpt2"));
                CausalLM bert = CausalLM.load(MODELS.resolve("bert-seqcls"));
                TensorScope scope = TensorScope.open()) {
            assertRefused("token id 199 (row 1, position 1)", () -> gpt2.logits(inputs(199, 1)));
            assertRefused("max_position_embeddings", () -> gpt2.logits(inputs(8, 5000)));
            assertRefused(
                    "token type id 2 (row 1, position 1) is out of range: the model knows 0 to 1",
                    () -> bert.logits(inputs(8, 1).withTokenTypeIds(new int[] {0, 0, 0, 2})));
        }
    }

    @Test
    void labelsThatTheOutputLayerDoesNotScoreInTrainingAndEvaluation() {
        Batch batch = new Batch(2, 2, new int[] {5, 6, 7, 8}, MASK, new int[] {5, 6, 7, 199});
        try (CausalLM model = CausalLM.load(MODELS.resolve("llama"))) {
            Backpropagation backpropagation = new Backpropagation(model, GradientCheckpointing.none());
            assertRefused(
                    "label 199 (row 1, position 1) is out of range: the model's output layer scores 0 to 198",
                    () -> backpropagation.evaluate(
                            batch.modelInputs(), LanguageModelLoss.of(model.network(), batch, 1)));
        }
    }
}
