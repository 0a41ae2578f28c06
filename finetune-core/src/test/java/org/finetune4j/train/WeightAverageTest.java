package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
import org.finetune4j.train.optimizer.AveragingProvider;
import org.finetune4j.train.optimizer.MasterWeights;
import org.finetune4j.train.optimizer.Optimizer;
import org.finetune4j.train.optimizer.OptimizerOptions;
import org.finetune4j.train.optimizer.OptimizerProvider;
import org.finetune4j.train.optimizer.ParameterGroup;
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
        OptimizerProvider averaging = new AveragingProvider(OptimizerProvider.named("sgd"), 0.999);
        try (TensorScope scope = TensorScope.open();
                Parameter parameter = new Parameter("p", Tensors.ones(DType.BFLOAT16, Device.CPU, 2))) {
            parameter.train(DType.BFLOAT16);
            ParameterGroup group = new ParameterGroup(List.of(parameter), 0);
            try (Optimizer optimizer = MasterWeights.optimizer(
                    averaging, List.of(group), Set.of(), new OptimizerOptions("sgd", 0.9, 0.999, 1e-8, 0, Map.of()))) {
                parameter.addGradient(Tensors.full(-1, DType.BFLOAT16, Device.CPU, 2));
                optimizer.step(1); // to 2
                optimizer.clearGradients();
                for (int step = 0; step < 2000; step++) {
                    optimizer.finishStep();
                }
                float expected = (float) (2 - Math.pow(0.999, 2000));
                float[] averages = {expected, expected};
                assertArrayEquals(averages, optimizer.state().get("p.average").toFloatArray(), 1e-4f);
                optimizer.swapEvaluationWeights();
                assertEquals(expected, parameter.as(DType.FLOAT32).toFloatArray()[0], 4e-3);
                optimizer.swapEvaluationWeights();
                assertArrayEquals(
                        new float[] {2, 2}, parameter.as(DType.FLOAT32).toFloatArray());
                assertArrayEquals(averages, optimizer.state().get("p.average").toFloatArray(), 1e-4f);
            }
        }
    }

    private static float[] values(Parameter parameter) {
        try (TensorScope scope = TensorScope.open()) {
            return parameter.value().detach().toFloatArray();
        }
    }
}
