package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.ValueHead;
import org.finetune4j.rlhf.policy.GeneralizedAdvantage;
import org.finetune4j.rlhf.policy.KlEstimator;
import org.finetune4j.rlhf.policy.Statistics;
import org.finetune4j.rlhf.policy.TokenRewards;
import org.finetune4j.rlhf.policy.Whitening;
import org.finetune4j.train.steps.SourceState;
import org.finetune4j.train.steps.StepBatch;
import org.finetune4j.train.steps.StepBatches;
import org.jspecify.annotations.Nullable;

/** PPO: every token is compared with what a value function expected. The score of an answer is earned by its last token. */
final class PpoAlgorithm implements PolicyAlgorithm {

    private static final String COEFFICIENT = "kl_coef";

    private final PpoOptions options;
    private final SamplingOptions sampling;
    private final CausalLM model;
    private final ValueFunction values;
    private final AnswerReader reader;
    private final ReferencePolicy reference;
    private final AnswerBatches batches;
    private double coefficient;

    PpoAlgorithm(
            PpoOptions options,
            SamplingOptions sampling,
            CausalLM model,
            ValueFunction values,
            AnswerReader reader,
            ReferencePolicy reference,
            AnswerBatches batches) {
        this.options = options;
        this.sampling = sampling;
        this.model = model;
        this.values = values;
        this.reader = reader;
        this.reference = reference;
        this.batches = batches;
        this.coefficient = options.coefficient().initial();
    }

    @Override
    public Lesson prepare(ScoredRound round) {
        List<TrainedAnswer> answers = round.answers();
        AnswerReader.Reading policy = reader.read(model, answers, values.hasOwnTrunk() ? null : values.head());
        double[][] estimates = values.hasOwnTrunk()
                ? values.look(() -> reader.values(model, answers, values.head()))
                : policy.values();
        double[][] drawn = policy.logprobs();
        double[][] referred =
                reference.look(looked -> reader.read(looked, answers, null).logprobs());
        double[][] rewards = rewards(round.rewards(), drawn, referred);
        double[][] advantages = new double[answers.size()][];
        double[][] returns = new double[answers.size()][];
        for (int i = 0; i < advantages.length; i++) {
            advantages[i] = options.advantage().advantages(rewards[i], estimates[i]);
            returns[i] = GeneralizedAdvantage.returns(advantages[i], estimates[i]);
        }
        double[][] whitened = Whitening.of(advantages);
        List<TrainedAnswer> lesson = new ArrayList<>();
        for (int i = 0; i < advantages.length; i++) {
            lesson.add(answers.get(i)
                    .with(TrainedAnswer.DRAWN, drawn[i])
                    .with(TrainedAnswer.ADVANTAGE, whitened[i])
                    .with(TrainedAnswer.VALUES, estimates[i])
                    .with(TrainedAnswer.RETURNS, returns[i]));
        }
        Map<String, Double> metrics = new LinkedHashMap<>();
        Divergence.report(drawn, referred, metrics);
        double kl = Arrays.stream(Divergence.sums(KlEstimator.K1, drawn, referred))
                .average()
                .orElse(0);
        metrics.put(COEFFICIENT, coefficient);
        metrics.put("objective/non_score_reward", -coefficient * kl);
        metrics.put(
                "val/explained_variance",
                Statistics.explainedVariance(AnswerRows.joined(returns), AnswerRows.joined(estimates)));
        return new Lesson(lesson, 1, metrics);
    }

    private double[][] rewards(double[] scores, double[][] drawn, double[][] referred) {
        double[][] rewards = new double[scores.length][];
        for (int i = 0; i < scores.length; i++) {
            rewards[i] = TokenRewards.of(
                    options.estimator().of(drawn[i], referred[i]), coefficient, scores[i], drawn[i].length);
        }
        return options.whitenRewards() ? Whitening.keepingMean(rewards) : rewards;
    }

    @Override
    public void accept(Lesson lesson) {
        double kl = lesson.metrics().getOrDefault("kl/k1", 0.0);
        coefficient =
                options.coefficient().next(coefficient, kl, lesson.answers().size());
    }

    @Override
    public StepBatches step(List<TrainedAnswer> answers) {
        List<Batch> rows = batches.of(answers);
        if (!values.hasOwnTrunk()) {
            return StepBatches.of(rows, objective(PpoObjective.Part.BOTH, values.head()));
        }
        PpoObjective policy = objective(PpoObjective.Part.POLICY, null);
        PpoObjective value = objective(PpoObjective.Part.VALUE, values.head());
        List<StepBatch> all = new ArrayList<>();
        rows.forEach(batch -> all.add(new StepBatch(batch, policy, 1, values::leave)));
        rows.forEach(batch -> all.add(new StepBatch(batch, value, 1, values::enter)));
        return new StepBatches(all);
    }

    private PpoObjective objective(PpoObjective.Part part, @Nullable ValueHead head) {
        return new PpoObjective(options.loss(), part, head, sampling.temperature(), options.entropyCoefficient());
    }

    @Override
    public void afterStep() {
        values.leave();
    }

    @Override
    public String fingerprint() {
        return options.toString();
    }

    @Override
    public void save(SourceState state) {
        state.with(COEFFICIENT, coefficient);
    }

    @Override
    public void restore(SourceState state) {
        coefficient = state.number(COEFFICIENT);
    }
}
