package org.finetune4j.rlhf.rollout;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Collator;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.LoadOptions;
import org.finetune4j.nn.NamedGradients;
import org.finetune4j.nn.Parameter;
import org.finetune4j.rlhf.policy.ClippedPolicyLoss;
import org.finetune4j.rlhf.policy.ClippedValueLoss;
import org.finetune4j.rlhf.policy.GroupPolicyLoss;
import org.finetune4j.rlhf.policy.KlEstimator;
import org.finetune4j.rlhf.policy.PpoLoss;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.DirectionalDerivative;
import org.finetune4j.strategy.FullFineTuning;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.gradient.Backpropagation;
import org.finetune4j.train.gradient.GradientCheckpointing;
import org.finetune4j.train.gradient.LogprobLoss;
import org.finetune4j.train.objective.Objective;
import org.finetune4j.train.objective.TokenObjective;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the losses of policies push into a model. */
class PolicyGradientTest {

    private static final Path LLAMA = Path.of("../finetune-core/src/test/resources/goldens/arch/llama");
    private static final int[] PROMPT = {5, 17, 42, 99, 7, 8, 3, 120, 33, 64};
    private static final int[][] ANSWERS = {{31, 4, 150}, {88, 12}, {9, 61, 60, 2}, {77}};

    private static List<TrainedAnswer> answers() {
        List<TrainedAnswer> answers = new ArrayList<>();
        for (int[] answer : ANSWERS) {
            answers.add(new TrainedAnswer(PROMPT, answer, Map.of()));
        }
        return answers;
    }

    /** With log-probabilities that are not quite the model's, so that ratios are not 1. */
    private static List<TrainedAnswer> moved(CausalLM model) {
        AnswerReader reader = new AnswerReader(new AnswerBatches(new Collator(0, 1), 4, true), 0.8);
        double[][] now = reader.read(model, answers(), null).logprobs();
        List<TrainedAnswer> moved = new ArrayList<>();
        for (int i = 0; i < now.length; i++) {
            int row = i;
            int length = now[i].length;
            double[] drawn =
                    Arrays.stream(now[i]).map(value -> value + 0.1 * (row - 1)).toArray();
            double[] numbers = new double[length];
            Arrays.setAll(numbers, t -> Math.sin(3 * row + t));
            moved.add(answers()
                    .get(i)
                    .with(TrainedAnswer.DRAWN, drawn)
                    .with(
                            TrainedAnswer.REFERENCE,
                            Arrays.stream(drawn).map(value -> value - 0.3).toArray())
                    .with(TrainedAnswer.WEIGHT, 1.0 / length)
                    .with(TrainedAnswer.VALUES, numbers)
                    .with(
                            TrainedAnswer.RETURNS,
                            Arrays.stream(numbers).map(value -> value + 0.2).toArray()));
        }
        return moved;
    }

    private static List<TrainedAnswer> with(List<TrainedAnswer> answers, String name, double... byAnswer) {
        List<TrainedAnswer> all = new ArrayList<>();
        for (int i = 0; i < byAnswer.length; i++) {
            all.add(answers.get(i).with(name, byAnswer[i]));
        }
        return all;
    }

    private static Batch batch(List<TrainedAnswer> answers) {
        return AnswerRows.batch(answers, new Collator(0, 1), true);
    }

    private static CausalLM model() {
        return CausalLM.load(LLAMA, LoadOptions.defaults().inDoublePrecision());
    }

    private static Map<String, float[]> gradients(CausalLM model, Objective objective, Batch batch) {
        model.network().allParameters().forEach(Parameter::clearGrad);
        new Backpropagation(model, GradientCheckpointing.none())
                .run(batch.modelInputs(), objective.head(model.network(), batch, 1.0 / objective.count(batch)));
        return NamedGradients.of(model.network().namedParameters());
    }

    private static void assertSlopes(CausalLM model, Objective objective, Batch batch) {
        gradients(model, objective, batch);
        for (String name : List.of("lm_head.weight", "model.norm.weight", "model.layers.1.self_attn.q_proj.weight")) {
            DirectionalDerivative.assertIsGradient(
                    model.network().namedParameters().get(name),
                    () -> new Backpropagation(model, GradientCheckpointing.none())
                            .evaluate(
                                    batch.modelInputs(),
                                    objective.head(model.network(), batch, 1.0 / objective.count(batch))));
        }
    }

    @ParameterizedTest
    @EnumSource
    void theGradientOfAGroupIsItsSlope(GroupPolicyLoss.Level level) {
        try (CausalLM model = model();
                AttachedStrategy full = new FullFineTuning().attach(model);
                TensorScope scope = TensorScope.open()) {
            GroupObjective objective = new GroupObjective(
                    new GroupPolicyLoss(ClippedPolicyLoss.of(0.15), level, 0.2, KlEstimator.K3), 0.8, 0.05);
            assertSlopes(model, objective, batch(with(moved(model), TrainedAnswer.ADVANTAGE, 0.5, -1, 0.7, -0.2)));
        }
    }

    private static List<TrainedAnswer> withTokenAdvantages(List<TrainedAnswer> answers) {
        return answers.stream()
                .map(answer -> {
                    double[] advantages = new double[answer.answer().length];
                    Arrays.setAll(advantages, t -> Math.cos(answer.answer()[t]));
                    return answer.with(TrainedAnswer.ADVANTAGE, advantages);
                })
                .toList();
    }

    private static PpoObjective ppo(double range, PpoObjective.Part part) {
        PpoLoss loss = new PpoLoss(ClippedPolicyLoss.of(range), new ClippedValueLoss(0.2), 0.1);
        return new PpoObjective(loss, part, null, 0.8, range == 0.15 ? 0.05 : 0);
    }

    @Test
    void theGradientOfPpoIsItsSlope() {
        try (CausalLM model = model();
                AttachedStrategy full = new FullFineTuning().attach(model);
                TensorScope scope = TensorScope.open()) {
            assertSlopes(model, ppo(0.15, PpoObjective.Part.POLICY), batch(withTokenAdvantages(moved(model))));
        }
    }

    /** -advantage * log p, at the temperature of the draw: what both methods come to where nothing was moved or clipped. */
    private static TokenObjective reinforce(float[] advantages, double[] weights) {
        return (batch, logprobs) -> {
            double loss = 0;
            double[] derivative = new double[logprobs.size()];
            for (int i = 0; i < derivative.length; i++) {
                derivative[i] = -advantages[i] * weights[i];
                loss += derivative[i] * logprobs.values()[i];
            }
            return new LogprobLoss.Value(loss, derivative);
        };
    }

    private static List<TrainedAnswer> onPolicy(CausalLM model) {
        AnswerReader reader = new AnswerReader(new AnswerBatches(new Collator(0, 1), 4, true), 1);
        double[][] now = reader.read(model, answers(), null).logprobs();
        List<TrainedAnswer> all = new ArrayList<>();
        for (int i = 0; i < now.length; i++) {
            double[] none = new double[now[i].length];
            all.add(answers()
                    .get(i)
                    .with(TrainedAnswer.DRAWN, now[i])
                    .with(TrainedAnswer.VALUES, none)
                    .with(TrainedAnswer.RETURNS, none));
        }
        return all;
    }

    @Test
    void ppoWithoutARangeAndOfOneEpochIsThePlainPolicyGradient() {
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model);
                TensorScope scope = TensorScope.open()) {
            Batch batch = batch(withTokenAdvantages(onPolicy(model)));
            PpoLoss loss = new PpoLoss(ClippedPolicyLoss.of(Double.POSITIVE_INFINITY), new ClippedValueLoss(0.2), 0.1);
            PpoObjective objective = new PpoObjective(loss, PpoObjective.Part.POLICY, null, 1, 0);
            float[] advantages = AnswerRows.answers(batch, TrainedAnswer.ADVANTAGE);
            double[] ones = new double[advantages.length];
            Arrays.fill(ones, 1);
            NamedGradients.assertSame(
                    gradients(model, reinforce(advantages, ones), batch), gradients(model, objective, batch), 1e-5f);
        }
    }

    @Test
    void grpoOfOneAnswerWithABaselineIsReinforce() {
        double[] rewards = {1, 0.25, -2, 0.5};
        double baseline = 0.3;
        double[] advantages =
                Arrays.stream(rewards).map(reward -> reward - baseline).toArray();
        try (CausalLM model = CausalLM.load(LLAMA);
                AttachedStrategy full = new FullFineTuning().attach(model);
                TensorScope scope = TensorScope.open()) {
            List<TrainedAnswer> answers =
                    with(with(answers(), TrainedAnswer.ADVANTAGE, advantages), TrainedAnswer.WEIGHT, 1, 1, 1, 1);
            Batch batch = batch(answers);
            GroupObjective objective = new GroupObjective(
                    new GroupPolicyLoss(ClippedPolicyLoss.of(0.2), GroupPolicyLoss.Level.TOKEN, 0, KlEstimator.K3),
                    1,
                    0);
            float[] byToken = new float[batch.labelledTokens()];
            double[] weights = new double[byToken.length];
            int token = 0;
            for (int i = 0; i < ANSWERS.length; i++) {
                for (int t = 0; t < ANSWERS[i].length; t++) {
                    byToken[token] = (float) advantages[i];
                    // A mean over answers, where the other is one over tokens.
                    weights[token++] = (double) batch.labelledTokens() / ANSWERS.length;
                }
            }
            NamedGradients.assertSame(
                    gradients(model, reinforce(byToken, weights), batch), gradients(model, objective, batch), 1e-5f);
        }
    }
}
