package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.TinyModels;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.finetune4j.train.memory.MemoryPlan;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Trainings that calculate in bfloat16. */
class MixedPrecisionTest {

    private static final double SMALL = 1e-6;

    @TempDir
    Path directory;

    private static CausalLM load(DType stored) {
        return TinyModels.load("llama", new LoadOptions(Device.CPU, stored).withComputeDType(DType.BFLOAT16));
    }

    private static TrainingArgumentsBuilder arguments() {
        return TrainingArguments.builder().batchSize(2).maxSteps(6).learningRate(SMALL);
    }

    private static List<float[]> train(
            CausalLM model, AttachedStrategy full, TrainingArguments arguments, long stopAfter) {
        Trainer[] trainer = new Trainer[1];
        TrainingListener stopping = new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                if (metrics.step() == stopAfter) {
                    trainer[0].requestStop();
                }
            }
        };
        trainer[0] = new Trainer(
                model, full, arguments, new SyntheticSamples(13, 199, 1), null, new Collator(0, 1), List.of(stopping));
        trainer[0].train();
        return values(full);
    }

    private static List<float[]> values(AttachedStrategy full) {
        List<float[]> values = new ArrayList<>();
        try (TensorScope scope = TensorScope.open()) {
            for (Parameter parameter : full.trainableParameters()) {
                values.add(parameter.as(DType.FLOAT32).detach().contiguous().toFloatArray());
            }
        }
        return values;
    }

    @Test
    void aCheckpointHoldsTheMastersAndTheStepsThatTheWeightsDoNotShowYet() {
        Path output = directory.resolve("run");
        try (CausalLM model = load(DType.BFLOAT16);
                AttachedStrategy full = new FullFineTuning().attach(model);
                TensorScope scope = TensorScope.open()) {
            List<float[]> before = values(full);
            train(model, full, arguments().outputDirectory(output).build(), Long.MAX_VALUE);
            Parameter norm = model.network().namedParameters().get("model.norm.weight");
            assertEquals(DType.BFLOAT16, norm.dtype());
            try (SafetensorsFile state =
                    SafetensorsFile.open(CheckpointName.of(output, 6).resolve("training_state.safetensors"))) {
                Tensor master = state.tensor("optimizer.model.norm.weight.master");
                assertEquals(DType.FLOAT32, master.dtype());
                assertEquals(
                        DType.FLOAT32,
                        state.tensor("optimizer.model.norm.weight.exp_avg").dtype());
                assertArrayEquals(
                        norm.as(DType.FLOAT32).detach().toFloatArray(),
                        master.to(DType.BFLOAT16).to(DType.FLOAT32).toFloatArray());
                int at = new ArrayList<>(full.trainableParameters()).indexOf(norm);
                float[] exact = master.toFloatArray();
                int moved = 0;
                for (int i = 0; i < exact.length; i++) {
                    double by = Math.abs(exact[i] - before.get(at)[i]);
                    assertTrue(by < 7 * SMALL, "moved by " + by);
                    moved += by > SMALL / 2 ? 1 : 0;
                }
                assertTrue(moved > exact.length / 2, moved + " of " + exact.length + " moved");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"BFLOAT16", "FLOAT32"})
    void aStoppedRunGoesOnExactly(DType stored) throws Exception {
        List<float[]> whole;
        Path one = directory.resolve("one");
        Path two = directory.resolve("two");
        try (CausalLM model = load(stored);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            whole = train(model, full, arguments().outputDirectory(one).build(), Long.MAX_VALUE);
        }
        try (CausalLM model = load(stored);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            train(model, full, arguments().outputDirectory(two).build(), 3);
        }
        try (CausalLM model = load(stored);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            List<float[]> resumed = train(
                    model, full, arguments().outputDirectory(two).resume(true).build(), Long.MAX_VALUE);
            for (int i = 0; i < whole.size(); i++) {
                assertArrayEquals(whole.get(i), resumed.get(i));
            }
        }
        String state = "checkpoint-6/training_state.safetensors";
        assertArrayEquals(Files.readAllBytes(one.resolve(state)), Files.readAllBytes(two.resolve(state)));
    }

    /** A float32 checkpoint is its own master: layers take its weights in bfloat16, as torch's autocast does. */
    @Test
    void whatIsStoredInFloat32TrainsInFloat32() {
        try (CausalLM model = load(DType.FLOAT32);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            List<float[]> before = values(full);
            List<float[]> after = train(model, full, arguments().build(), Long.MAX_VALUE);
            int moved = 0;
            int all = 0;
            for (int i = 0; i < before.size(); i++) {
                for (int j = 0; j < before.get(i).length; j++) {
                    moved += before.get(i)[j] != after.get(i)[j] ? 1 : 0;
                    all++;
                }
            }
            assertTrue(moved > all / 2, moved + " of " + all + " moved");
            full.trainableParameters().forEach(parameter -> assertEquals(DType.FLOAT32, parameter.dtype()));
        }
    }

    @Test
    void theMemoryPlanNamesTheMasters() {
        try (CausalLM model = load(DType.BFLOAT16);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            MemoryPlan.Load load = new MemoryPlan.Load(2, 16);
            MemoryPlan plan = MemoryPlan.of(model, full, arguments().build(), load, 0);
            assertEquals(plan.trainable() * 2, plan.gradients());
            assertEquals(plan.trainable() * Float.BYTES, plan.masters());
            assertEquals(2 * plan.trainable() * Float.BYTES, plan.optimizerState());
            MemoryPlan averaged =
                    MemoryPlan.of(model, full, arguments().emaDecay(0.9).build(), load, 0);
            assertEquals(plan.trainable() * Float.BYTES, averaged.average());
            MemoryPlan shown = MemoryPlan.builder().masters(3 << 20).build();
            assertTrue(shown.describe().contains(" masters 3,"), shown.describe());
            assertEquals(3 << 20, shown.peak());
        }
    }
}
