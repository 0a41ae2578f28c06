package org.finetune4j.train.optimizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Autograd;
import org.finetune4j.tensor.DType;
import org.finetune4j.tensor.Tensor;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.tensor.Tensors;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.Trainer;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.arguments.TrainingArgumentsBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The recurrences of the paper with all three points written out, and what a run evaluates and gives. */
class ScheduleFreeTest {

    private static final String NAME = "schedule_free_adamw";
    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");
    private static final int SIZE = 6;
    private static final double BETA1 = 0.9;
    private static final double BETA2 = 0.95;
    private static final double EPSILON = 1e-8;

    @ParameterizedTest(name = "decay {0}, power {1}, r {2}")
    @CsvSource({"0, 2, 0", "0.1, 2, 0", "0.1, 0, 0", "0.01, 2, 1"})
    void takesTheStepsOfThePaper(double decay, double power, double exponent) {
        Random random = new Random(7);
        double[] y = random.doubles(SIZE, -1, 1).toArray();
        double[] x = y.clone();
        double[] z = y.clone();
        double[] v = new double[SIZE];
        double sum = 0;
        double largest = 0;
        try (TensorScope scope = TensorScope.open()) {
            Parameter parameter = new Parameter("p", Tensors.of(y, SIZE).to(DType.FLOAT32));
            parameter.train(DType.FLOAT32);
            Map<String, String> arguments = Map.of("weight_lr_power", "" + power, "r", "" + exponent);
            try (Optimizer optimizer = optimizer(parameter, decay, arguments)) {
                for (int step = 1; step <= 8; step++) {
                    double rate = 0.02 * Math.min(1, step / 3.0) * (step > 6 ? 0.5 : 1);
                    double[] gradient = random.doubles(SIZE, -1, 1).toArray();
                    largest = Math.max(largest, rate);
                    double weight = Math.pow(step, exponent) * Math.pow(largest, power);
                    sum += weight;
                    double share = weight / sum;
                    for (int i = 0; i < SIZE; i++) {
                        v[i] = BETA2 * v[i] + (1 - BETA2) * gradient[i] * gradient[i];
                        double root = Math.sqrt(v[i] / (1 - Math.pow(BETA2, step))) + EPSILON;
                        z[i] -= rate * (gradient[i] / root + decay * y[i]);
                        x[i] = (1 - share) * x[i] + share * z[i];
                        y[i] = (1 - BETA1) * z[i] + BETA1 * x[i];
                    }
                    setGradient(parameter, gradient);
                    optimizer.step(rate);
                    assertArrayEquals(floats(y), values(parameter), 2e-6f, "y of step " + step);
                    float[] trained = values(parameter);
                    optimizer.swapEvaluationWeights();
                    assertArrayEquals(floats(x), values(parameter), 4e-6f, "x of step " + step);
                    optimizer.swapEvaluationWeights();
                    assertArrayEquals(trained, values(parameter), "the same bits again");
                }
            }
        }
    }

    @Test
    void aRunEvaluatesAndGivesTheAverageAndTrainsOnFromWhereItWas() {
        List<float[]> withEvaluation = new ArrayList<>();
        List<float[]> without = new ArrayList<>();
        List<Double> losses = new ArrayList<>();
        float[] given = train(2, withEvaluation, losses);
        train(0, without, new ArrayList<>());
        for (int step = 0; step < without.size(); step++) {
            assertArrayEquals(without.get(step), withEvaluation.get(step), "step " + (step + 1));
        }
        float[] last = withEvaluation.get(withEvaluation.size() - 1);
        assertFalse(Arrays.equals(last, given), "what is given is not what was trained");
        // x = (y - (1 - beta1) z) / beta1, and the last evaluation was of x: the model that is given has its loss.
        assertEquals(losses.get(losses.size() - 2), losses.get(losses.size() - 1), 1e-6);
    }

    /** Trains four steps; the last of {@code losses} is that of what is given. */
    private static float[] train(int evaluationSteps, List<float[]> steps, List<Double> losses) {
        SyntheticSamples heldOut = new SyntheticSamples(4, 199, 9);
        TrainingArgumentsBuilder arguments = TrainingArguments.builder()
                .batchSize(2)
                .maxSteps(4)
                .learningRate(1e-2)
                .optimizer(NAME);
        TrainingListener listener = new TrainingListener() {
            @Override
            public void onEvaluation(EvaluationMetrics metrics) {
                losses.add(metrics.loss());
            }
        };
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Parameter parameter = full.trainableParameters().iterator().next();
            TrainingListener recorder = new TrainingListener() {
                @Override
                public void onStep(StepMetrics metrics) {
                    steps.add(values(parameter));
                }
            };
            if (evaluationSteps > 0) {
                arguments.evalSteps(evaluationSteps);
            }
            new Trainer(
                            model,
                            full,
                            arguments.build(),
                            new SyntheticSamples(8, 199, 1),
                            evaluationSteps > 0 ? heldOut : null,
                            new Collator(0, 1),
                            List.of(recorder, listener))
                    .train();
            float[] given = values(parameter);
            if (evaluationSteps > 0) {
                TrainingArguments again = TrainingArguments.builder()
                        .batchSize(2)
                        .maxSteps(1)
                        .learningRate(0)
                        .evalSteps(1)
                        .build();
                List<Double> ofGiven = new ArrayList<>();
                TrainingListener first = new TrainingListener() {
                    @Override
                    public void onEvaluation(EvaluationMetrics metrics) {
                        ofGiven.add(metrics.loss());
                    }
                };
                new Trainer(
                                model,
                                full,
                                again,
                                new SyntheticSamples(8, 199, 1),
                                heldOut,
                                new Collator(0, 1),
                                List.of(first))
                        .train();
                losses.add(ofGiven.get(0));
            }
            return given;
        }
    }

    @Test
    void whatCannotBeIsRefused() {
        try (TensorScope scope = TensorScope.open()) {
            Parameter parameter = new Parameter("p", Tensors.of(new float[] {1, 2}, 2));
            parameter.train(DType.FLOAT32);
            OptimizerOptions still = new OptimizerOptions(NAME, 0, BETA2, EPSILON, 0, Map.of());
            assertTrue(assertThrows(UserErrorException.class, () -> OptimizerProvider.named(NAME)
                            .create(ParameterGroup.all(List.of(parameter), 0), Set.of(), still))
                    .getMessage()
                    .contains("adam_beta1"));
        }
        TrainingArguments twice = TrainingArguments.builder()
                .batchSize(2)
                .maxSteps(1)
                .optimizer(NAME)
                .emaDecay(0.9)
                .build();
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            Trainer trainer = new Trainer(
                    model, full, twice, new SyntheticSamples(2, 199, 1), null, new Collator(0, 1), List.of());
            assertTrue(assertThrows(UserErrorException.class, trainer::train)
                    .getMessage()
                    .contains("ema_decay"));
        }
    }

    private static Optimizer optimizer(Parameter parameter, double decay, Map<String, String> arguments) {
        return OptimizerProvider.named(NAME)
                .create(
                        ParameterGroup.all(List.of(parameter), decay),
                        Set.of(),
                        new OptimizerOptions(NAME, BETA1, BETA2, EPSILON, 0, new LinkedHashMap<>(arguments)));
    }

    private static void setGradient(Parameter parameter, double[] gradient) {
        parameter.clearGrad();
        try (TensorScope scope = TensorScope.open()) {
            Tensor value = Tensors.of(gradient, SIZE).to(DType.FLOAT32);
            try (Autograd.Mode mode = Autograd.enabled()) {
                Autograd.backward(parameter.value().mul(value).sum());
            }
        }
    }

    private static float[] values(Parameter parameter) {
        try (TensorScope scope = TensorScope.open()) {
            return parameter.value().detach().toFloatArray();
        }
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }
}
