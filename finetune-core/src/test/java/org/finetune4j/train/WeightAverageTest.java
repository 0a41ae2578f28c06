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
import org.finetune4j.tensor.TensorScope;
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

    private static float[] values(Parameter parameter) {
        try (TensorScope scope = TensorScope.open()) {
            return parameter.value().detach().toFloatArray();
        }
    }
}
