package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.Test;

class WeightAverageTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");
    private static final double DECAY = 0.75;

    @Test
    void aRunGivesTheMovingAverageOfItsWeights() {
        List<float[]> weights = new ArrayList<>();
        TrainingArguments arguments = TrainingArguments.builder()
                .batchSize(2)
                .maxSteps(3)
                .learningRate(1e-2)
                .emaDecay(DECAY)
                .build();
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Parameter parameter = full.trainableParameters().iterator().next();
            weights.add(values(parameter));
            TrainingListener recorder = new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    weights.add(values(parameter));
                }
            };
            new Trainer(
                            model,
                            full,
                            arguments,
                            new SyntheticSamples(7, 199, 1),
                            null,
                            new Collator(0, 1),
                            List.of(recorder))
                    .train();
            assertEquals(4, weights.size());
            float[] average = weights.get(0).clone();
            for (float[] step : weights.subList(1, 4)) {
                for (int i = 0; i < average.length; i++) {
                    average[i] = (float) (DECAY * average[i] + (1 - DECAY) * step[i]);
                }
            }
            assertArrayEquals(average, values(parameter), 1e-6f);
        }
    }

    /** A share of 0.1 % of a weight near 1 is below the last digit of a bfloat16. */
    @Test
    void anAverageOfBfloat16WeightsFollowsThemAndGivesThemBack() {
        try (TensorScope scope = TensorScope.open();
                Parameter parameter = new Parameter("p", Tensors.ones(DType.BFLOAT16, Device.CPU, 2));
                WeightAverage average = new WeightAverage(List.of(parameter), 0.999)) {
            parameter.set(Tensors.full(2, DType.FLOAT32, Device.CPU, 2));
            for (int step = 0; step < 2000; step++) {
                average.update();
            }
            float expected = (float) (2 - Math.pow(0.999, 2000));
            assertArrayEquals(
                    new float[] {expected, expected},
                    average.state().get("p").values().toFloatArray(),
                    1e-4f);
            average.swap();
            assertEquals(expected, parameter.as(DType.FLOAT32).toFloatArray()[0], 4e-3);
            average.swap();
            assertArrayEquals(new float[] {2, 2}, parameter.as(DType.FLOAT32).toFloatArray());
            assertArrayEquals(
                    new float[] {expected, expected},
                    average.state().get("p").values().toFloatArray(),
                    1e-4f);
        }
    }

    private static float[] values(Parameter parameter) {
        try (TensorScope scope = TensorScope.open()) {
            return parameter.value().detach().toFloatArray();
        }
    }
}
