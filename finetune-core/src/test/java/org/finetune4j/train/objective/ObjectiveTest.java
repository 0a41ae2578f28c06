package org.finetune4j.train.objective;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.data.PackedDataset;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.model.ProblemType;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.DirectionalDerivative;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.Functional;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LogprobLoss;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.LossOptions;
import org.finetune4j.train.gradient.TokenLogprobs;
import org.junit.jupiter.api.Test;

/** An objective of a training is one small class; those below are made up for the purpose. */
class ObjectiveTest {

    private static final Path MODELS = Path.of("src/test/resources/goldens/arch");

    /** Minus the sum of log-probabilities: cross entropy in another way. */
    private static final TokenObjective LIKELIHOOD = (batch, logprobs) -> {
        double[] derivative = new double[logprobs.size()];
        Arrays.fill(derivative, -1);
        double loss = 0;
        for (double value : logprobs.values()) {
            loss -= value;
        }
        return new LogprobLoss.Value(loss, derivative);
    };

    /** Rows come in pairs, the first of which is to be likelier than a reference finds it, as in DPO with beta 0.5. */
    private static final class Preference implements TokenObjective {

        private static final double BETA = 0.5;

        @Override
        public long count(Batch batch) {
            return batch.batchSize() / 2;
        }

        @Override
        public LogprobLoss.Value loss(Batch batch, TokenLogprobs logprobs) {
            double[] sums = logprobs.sums(batch.batchSize());
            float[][] reference = batch.column("reference");
            double[] byRow = new double[sums.length];
            double loss = 0;
            for (int row = 0; row < sums.length; row += 2) {
                double margin = BETA * (sums[row] - reference[row][0] - sums[row + 1] + reference[row + 1][0]);
                loss += Math.log1p(Math.exp(-margin));
                byRow[row] = -BETA / (1 + Math.exp(margin));
                byRow[row + 1] = -byRow[row];
            }
            double[] derivative = new double[logprobs.size()];
            for (int i = 0; i < derivative.length; i++) {
                derivative[i] = byRow[logprobs.rows()[i]];
            }
            return new LogprobLoss.Value(loss, derivative);
        }
    }

    private static Batch batch(float... reference) {
        SyntheticSamples samples = new SyntheticSamples(4, 199, 3);
        List<Sample> with = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            with.add(samples.get(i).with("reference", reference.length == 0 ? -20 - i : reference[i]));
        }
        return new Collator(0, 1).collate(with);
    }

    private static Map<String, float[]> gradients(CausalLM model, Batch batch, Objective objective) {
        model.network().allParameters().forEach(Parameter::clearGrad);
        LossHead head = objective.head(model.network(), batch, 1.0 / objective.count(batch));
        double loss = new Backpropagation(model, GradientCheckpointing.none()).run(batch.modelInputs(), head);
        assertEquals(
                loss,
                new Backpropagation(model, GradientCheckpointing.none()).evaluate(batch.modelInputs(), head),
                1e-5);
        return NamedGradients.of(model.network().namedParameters());
    }

    @Test
    void logProbabilitiesAreThoseOfTheWholeScores() {
        Batch batch = batch();
        try (CausalLM model = CausalLM.load(MODELS.resolve("llama"));
                TensorScope scope = TensorScope.open()) {
            TokenLogprobs logprobs = TokenLogprobs.of(model, batch);
            float[] all = Functional.logSoftmax(model.logits(batch.modelInputs()), -1)
                    .contiguous()
                    .toFloatArray();
            assertEquals(batch.labelledTokens(), logprobs.size());
            for (int i = 0; i < logprobs.size(); i++) {
                int at = logprobs.rows()[i] * batch.sequenceLength() + logprobs.positions()[i];
                assertEquals(all[(at - 1) * 199 + batch.labels()[at]], logprobs.values()[i], 1e-5);
            }
        }
    }

    /** Of a pair of answers that are alike no token is told apart, and its loss is log 2 still. */
    @Test
    void aBatchWithoutLabelsHasItsLoss() {
        TokenObjective alike = (batch, logprobs) -> new LogprobLoss.Value(
                Math.log(2), new double[logprobs.size()], Map.of("pairs", Average.of(logprobs.size())));
        Sample sample = new Sample(new int[] {5, 6, 7}, new int[] {-100, -100, -100});
        Batch batch = new Collator(0, 1).collate(List.of(sample));
        try (CausalLM model = CausalLM.load(MODELS.resolve("llama"));
                AttachedStrategy full = new FullFineTuning().attach(model)) {
            LossHead head = alike.head(model.network(), batch, 0.5);
            double loss = new Backpropagation(model, GradientCheckpointing.none()).run(batch.modelInputs(), head);
            assertEquals(Math.log(2) / 2, loss, 1e-12);
            assertEquals(Map.of("pairs", Average.of(0)), head.metrics());
            NamedGradients.of(model.network().namedParameters())
                    .forEach((name, gradient) -> assertArrayEquals(new float[gradient.length], gradient, name));
        }
    }

    @Test
    void theLikelihoodOfTokensHasTheGradientsOfCrossEntropy() {
        Batch batch = batch();
        try (CausalLM model = CausalLM.load(MODELS.resolve("qwen2"));
                AttachedStrategy full = new FullFineTuning().attach(model);
                TensorScope scope = TensorScope.open()) {
            NamedGradients.assertSame(
                    gradients(model, batch, new CrossEntropy(LossOptions.crossEntropy())),
                    gradients(model, batch, LIKELIHOOD),
                    1e-6f);
        }
    }

    @Test
    void aLossOfAllTokensTogetherHasTheGradientOfItsDerivative() {
        Batch batch = batch();
        try (CausalLM model = CausalLM.load(
                        MODELS.resolve("llama"), LoadOptions.defaults().inDoublePrecision());
                AttachedStrategy full = new FullFineTuning().attach(model);
                TensorScope scope = TensorScope.open()) {
            Preference preference = new Preference();
            gradients(model, batch, preference);
            for (String name : List.of("lm_head.weight", "model.norm.weight", "model.layers.0.mlp.up_proj.weight")) {
                DirectionalDerivative.assertIsGradient(
                        model.network().namedParameters().get(name),
                        () -> new Backpropagation(model, GradientCheckpointing.none())
                                .evaluate(batch.modelInputs(), preference.head(model.network(), batch, 0.5)));
            }
        }
    }

    @Test
    void aTrainingByAnObjectiveOfItsOwnReachesItAndReportsIt() {
        List<EvaluationMetrics> heard = new ArrayList<>();
        TrainingListener listener = new TrainingListener() {
            @Override
            public void onEvaluation(EvaluationMetrics metrics) {
                heard.add(metrics);
            }
        };
        TrainingDataset pairs = columns("reference", -20, -20, -20, -20);
        try (CausalLM model = CausalLM.load(MODELS.resolve("llama"));
                TrainingResult result = FineTuner.of(model)
                        .objective(new Preference())
                        .dataset(pairs)
                        .evaluation(pairs)
                        .arguments(TrainingArguments.builder()
                                .batchSize(4)
                                .shuffle(false)
                                .maxSteps(30)
                                .evalSteps(30)
                                .learningRate(1e-2)
                                .build())
                        .listener(listener)
                        .train()) {
            assertEquals(30, result.summary().steps());
        }
        assertEquals(2, heard.get(0).labelledTokens(), "pairs");
        assertTrue(heard.get(1).loss() < 0.1 * heard.get(0).loss(), heard::toString);
    }

    @Test
    void aClassifierOfSequencesTrains() {
        TrainingDataset labelled = columns(Classification.COLUMN, 2, 0, 1, 2);
        try (CausalLM model = CausalLM.load(MODELS.resolve("bert-seqcls"));
                TrainingResult result = FineTuner.of(model)
                        .objective(new Classification(ProblemType.SINGLE_LABEL_CLASSIFICATION))
                        .dataset(labelled)
                        .arguments(TrainingArguments.builder()
                                .batchSize(4)
                                .maxSteps(60)
                                .learningRate(5e-3)
                                .build())
                        .train();
                TensorScope scope = TensorScope.open()) {
            assertTrue(result.summary().finalLoss() < 0.2, result.summary()::toString);
            Batch batch = new Collator(0, 1)
                    .collate(List.of(labelled.get(0), labelled.get(1), labelled.get(2), labelled.get(3)));
            float[] scores = model.logits(batch.modelInputs()).toFloatArray();
            int[] best = new int[4];
            for (int i = 0; i < scores.length; i++) {
                best[i / 3] = scores[i] > scores[i / 3 * 3 + best[i / 3]] ? i % 3 : best[i / 3];
            }
            assertArrayEquals(new int[] {2, 0, 1, 2}, best);
        }
    }

    @Test
    void aSampleWithoutItsColumnOrWithAClassThatIsNoneIsRefusedBeforeTraining() {
        try (CausalLM model = CausalLM.load(MODELS.resolve("bert-seqcls"))) {
            assertRefused(model, new SyntheticSamples(4, 199, 1), "sample 0: no token carries a label");
            assertRefused(model, columns(Classification.COLUMN, 0, 1, 2, 3), "sample 3: label 3");
            assertRefused(model, columns(Classification.COLUMN, 0, 1, 1.5f, 2), "sample 2: label 1.5");
        }
    }

    private static void assertRefused(CausalLM model, TrainingDataset samples, String expected) {
        FineTuner tuner = FineTuner.of(model)
                .objective(new Classification(ProblemType.SINGLE_LABEL_CLASSIFICATION))
                .dataset(samples);
        String message = assertThrows(UserErrorException.class, tuner::train).getMessage();
        assertTrue(message.startsWith(expected), message);
    }

    @Test
    void columnsAreNeverDroppedWithoutAWord() {
        Sample plain = new SyntheticSamples(1, 199, 1).get(0);
        assertThrows(
                UserErrorException.class, () -> new Collator(0, 1).collate(List.of(plain, plain.with("reward", 1))));
        assertThrows(UserErrorException.class, () -> batch().column("reward"));
        assertThrows(UserErrorException.class, () -> PackedDataset.of(columns("reward", 1, 2, 3, 4), 64)
                .get(0));
        assertTrue(!plain.equals(plain.with("reward", 1)));
        assertEquals(plain.with("reward", 1), plain.with("reward", 1));
    }

    private static TrainingDataset columns(String name, float... values) {
        SyntheticSamples samples = new SyntheticSamples(values.length, 199, 1);
        return new TrainingDataset() {
            @Override
            public int size() {
                return values.length;
            }

            @Override
            public Sample get(int index) {
                return samples.get(index).with(name, values[index]);
            }
        };
    }
}
