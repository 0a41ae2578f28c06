package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.tensor.MatrixProducts.Choice;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.group.Membership;
import org.finetune4j.train.objective.CrossEntropy;
import org.finetune4j.train.steps.StepBatch;
import org.finetune4j.train.steps.StepBatches;
import org.junit.jupiter.api.Test;

class ProductChoiceTest {

    private static final OptionalInt COMMON = OptionalInt.of(64);
    private static final long LARGE = 100_000_000;

    /** What comes again, and what is large, is worth a kernel; a short batch of another length is not. */
    @Test
    void aProcessByItselfAsksForKernelsThatAreWorthIt() {
        ProductChoice ofLarge = new ProductChoice(COMMON, LARGE, true);
        assertEquals(Choice.ONE_DNN_FOR_MATRICES, choice(ofLarge, 64));
        assertEquals(Choice.MKL, choice(ofLarge, 63));
        assertEquals(Choice.ONE_DNN_FOR_MATRICES, choice(ofLarge, 301));
        assertEquals(Choice.MKL, choice(new ProductChoice(OptionalInt.empty(), LARGE, true), 64));
        assertEquals(Choice.MKL, choice(new ProductChoice(COMMON, 0, true), 4096));
    }

    /** One thread's choice is the others' too: all look at the whole step, in which no batch may be small and of a length of its own. */
    @Test
    void ranksOfOneProcessChooseAlikeByTheWholeStep() {
        ProductChoice ofRank = new ProductChoice(COMMON, LARGE, false);
        assertEquals(Choice.ONE_DNN, choice(ofRank, 64, 64));
        assertEquals(Choice.MKL, choice(ofRank, 64, 63));
        assertEquals(Choice.ONE_DNN, choice(ofRank, 4096, 301));
        assertEquals(Choice.MKL, choice(ofRank, 4096, 63));
    }

    /** By autograd the attention's shapes are as many as there are lengths, and the tokens not the rows of one matrix. */
    @Test
    void onlyLayersByFormulaCount() {
        try (CausalLM model = CausalLM.load(Path.of("src/test/resources/goldens/arch/llama"))) {
            assertTrue(of(model, true).weights() > 1000);
            assertEquals(0, of(model, false).weights());
        }
    }

    private static ProductChoice of(CausalLM model, boolean fused) {
        TrainingArguments arguments =
                TrainingArguments.builder().fusedLayers(fused).build();
        return ProductChoice.of(model.network(), arguments, Membership.ALONE, OptionalInt.empty());
    }

    /** That of the first batch of a step. */
    private static Choice choice(ProductChoice asked, int... lengths) {
        StepBatches step = new StepBatches(
                IntStream.of(lengths).mapToObj(ProductChoiceTest::batch).toList());
        return asked.of(step.batches().get(0), step);
    }

    private static StepBatch batch(int length) {
        byte[] real = new byte[length];
        Arrays.fill(real, (byte) 1);
        return new StepBatch(
                new Batch(1, length, new int[length], real, new int[length]),
                new CrossEntropy(LossOptions.crossEntropy()));
    }
}
