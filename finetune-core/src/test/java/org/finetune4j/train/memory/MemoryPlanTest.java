package org.finetune4j.train.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FrozenParts;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.junit.jupiter.api.Test;

class MemoryPlanTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");

    private static MemoryPlan plan(FrozenParts frozen, String optimizer, int batch, int length, int checkpointed) {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning(frozen).attach(model)) {
            TrainingArguments arguments = TrainingArguments.builder()
                    .optimizer(optimizer)
                    .gradientCheckpointingLayers(checkpointed)
                    .build();
            MemoryPlan plan = MemoryPlan.of(model, full, arguments, new MemoryPlan.Load(batch, length), 1000);
            long trained = full.trainableParameters().stream()
                    .mapToLong((Parameter parameter) -> parameter.value().numel())
                    .sum();
            assertEquals(trained * Float.BYTES, plan.gradients());
            return plan;
        }
    }

    @Test
    void weightsGradientsAndStatesAreCountedExactly() {
        MemoryPlan adamW = plan(FrozenParts.none(), "adamw", 2, 16, 0);
        assertEquals(adamW.total() * Float.BYTES, adamW.weights());
        assertEquals(2 * adamW.gradients(), adamW.optimizerState());
        assertEquals(0, plan(FrozenParts.none(), "sgd", 2, 16, 0).optimizerState());
        assertTrue(plan(FrozenParts.none(), "adafactor", 2, 16, 0).optimizerState() < adamW.gradients() / 4);
    }

    @Test
    void activationsGrowWithTokensAndShrinkWithCheckpointing() {
        MemoryPlan small = plan(FrozenParts.none(), "adamw", 2, 16, 0);
        MemoryPlan large = plan(FrozenParts.none(), "adamw", 4, 32, 0);
        assertEquals(4 * small.activations(), large.activations());
        assertTrue(plan(FrozenParts.none(), "adamw", 4, 32, 1).activations() < large.activations());
    }

    @Test
    void whatIsFrozenNeedsNoGradientAndKeepsLess() {
        MemoryPlan all = plan(FrozenParts.none(), "adamw", 2, 16, 0);
        MemoryPlan some = plan(new FrozenParts(1, List.of()), "adamw", 2, 16, 0);
        assertTrue(some.gradients() < all.gradients());
        assertTrue(some.activations() < all.activations());
        assertTrue(some.peak() < all.peak());
    }

    @Test
    void anAverageOfTheWeightsIsOneMoreCopyOfWhatTrains() {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning(new FrozenParts(1, List.of())).attach(model)) {
            TrainingArgumentsBuilder arguments = TrainingArguments.builder();
            MemoryPlan.Load load = new MemoryPlan.Load(2, 16);
            MemoryPlan plain = MemoryPlan.of(model, full, arguments.build(), load, 1000);
            MemoryPlan averaged =
                    MemoryPlan.of(model, full, arguments.emaDecay(0.99).build(), load, 1000);
            assertEquals(0, plain.average());
            assertEquals(averaged.gradients(), averaged.average());
            assertEquals(plain.peak() + averaged.gradients(), averaged.peak());
            assertTrue(averaged.describe().contains("averages"), averaged.describe());
        }
    }

    @Test
    void gradientsOfEarlierBatchesAreThereWhileTheNextOneRuns() {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning(FrozenParts.none()).attach(model)) {
            TrainingArgumentsBuilder arguments = TrainingArguments.builder();
            MemoryPlan.Load load = new MemoryPlan.Load(8, 64);
            MemoryPlan one = MemoryPlan.of(model, full, arguments.build(), load, 1000);
            MemoryPlan four = MemoryPlan.of(
                    model, full, arguments.gradientAccumulationSteps(4).build(), load, 1000);
            assertEquals(one.peak() + one.gradients(), four.peak());
        }
    }

    @Test
    void statesInFilesCountOnlyAsFarAsTheyAreInMemory() {
        MemoryPlan plan = MemoryPlan.builder()
                .optimizerState(900L << 20)
                .optimizerResident(256L << 20)
                .build();
        assertEquals(256L << 20, plan.peak());
        assertTrue(plan.describe().contains("optimizer 256 (and 644 in files)"), plan.describe());
    }

    @Test
    void theComparisonSaysHowFarOffThePlanWas() {
        MemoryPlan plan = MemoryPlan.builder().weights(100L << 20).build();
        assertEquals("memory: 110 MB at the peak so far, 100 MB planned (+10%)", plan.compare(110));
    }
}
