package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import org.finetune4j.data.PackedDataset;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.TinyModels;
import org.finetune4j.nn.Parameter;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Torch;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A training's result is its own, whatever else happens in the process meanwhile. */
class TwoTrainingsTest {

    private static final int STEPS = 12;

    @TempDir
    Path directory;

    /** Dropout, noise on the embeddings, and layers that are computed again. */
    private float[] dropping(String scratch, TrainingListener listener) {
        return train(
                "gpt2",
                scratch,
                TrainingArguments.builder()
                        .gradientCheckpointingLayers(1)
                        .neftuneNoiseAlpha(5)
                        .seed(3),
                new SyntheticSamples(16, 199, 2),
                listener);
    }

    /** Rows of one length, for which matrix products may be calculated by another library. */
    private float[] packed(String scratch, TrainingListener listener) {
        return train(
                "llama",
                scratch,
                TrainingArguments.builder().optimizer("muon").seed(8),
                PackedDataset.of(new SyntheticSamples(64, 199, 4), 32),
                listener);
    }

    private float[] train(
            String model,
            String scratch,
            TrainingArgumentsBuilder arguments,
            TrainingDataset samples,
            TrainingListener listener) {
        try (TensorScope scope = TensorScope.open();
                CausalLM loaded = TinyModels.loadWithDropout(model);
                TrainingResult result = FineTuner.of(loaded)
                        .dataset(samples)
                        .arguments(arguments
                                .batchSize(2)
                                .maxSteps(STEPS)
                                .learningRate(1e-2)
                                .build())
                        .listener(listener)
                        .train()) {
            return weights(loaded);
        }
    }

    private static float[] weights(CausalLM model) {
        Map<String, Parameter> parameters = model.network().namedParameters();
        float[] all = new float[0];
        for (Parameter parameter : parameters.values()) {
            float[] values = parameter.value().detach().contiguous().toFloatArray();
            int at = all.length;
            all = Arrays.copyOf(all, at + values.length);
            System.arraycopy(values, 0, all, at, values.length);
        }
        return all;
    }

    @Test
    void inTwoThreadsEndWhereEachEndsAlone() {
        float[] droppingAlone = dropping("a", new TrainingListener() {});
        float[] packedAlone = packed("b", new TrainingListener() {});
        assertFalse(Arrays.equals(droppingAlone, packedAlone));
        // Every step of one is followed by a step of the other, or runs beside it.
        CyclicBarrier barrier = new CyclicBarrier(2);
        TrainingListener together = new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                try {
                    barrier.await();
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            }
        };
        CompletableFuture<float[]> first = CompletableFuture.supplyAsync(() -> dropping("c", together));
        CompletableFuture<float[]> second = CompletableFuture.supplyAsync(() -> packed("d", together));
        assertArrayEquals(droppingAlone, first.join());
        assertArrayEquals(packedAlone, second.join());
    }

    /** Two would add to the same gradients, and clear what the other is about to follow. */
    @Test
    void ofOneModelInTwoThreadsAreRefused() {
        try (CausalLM model = CausalLM.load(Path.of("src/test/resources/goldens/arch/llama"));
                CausalLM.Entry training = model.beginTraining()) {
            ExecutionException e =
                    assertThrows(ExecutionException.class, () -> CompletableFuture.runAsync(() -> FineTuner.of(model)
                                    .dataset(new SyntheticSamples(4, 199, 2))
                                    .train())
                            .get());
            assertTrue(String.valueOf(e.getCause()).contains("another training of this model is under way"));
            model.beginTraining().close();
        }
    }

    @Test
    void theNumberOfThreadsStaysAsItWasWhenATrainingBegan() {
        int before = Torch.threads();
        List<String> refused = new ArrayList<>();
        float[] trained = dropping("a", new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                Torch.setThreads(before);
                refused.add(assertThrows(IllegalStateException.class, () -> Torch.setThreads(before + 1))
                        .getMessage());
            }
        });
        assertEquals(STEPS, refused.size());
        assertTrue(refused.get(0).contains("as long as a training runs"), refused.get(0));
        assertArrayEquals(trained, dropping("b", new TrainingListener() {}));
        Torch.setThreads(before + 1);
        assertEquals(before + 1, Torch.threads());
        Torch.setThreads(before);
    }

    @Test
    void oneInsideOfTheOtherChangesNothingOfIt() {
        float[] alone = dropping("a", new TrainingListener() {});
        float[] around = dropping("b", new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                if (metrics.step() == 4) {
                    packed("c", new TrainingListener() {});
                }
            }
        });
        assertArrayEquals(alone, around);
    }
}
