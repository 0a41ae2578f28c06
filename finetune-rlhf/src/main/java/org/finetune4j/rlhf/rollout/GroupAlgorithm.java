package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.policy.KlEstimator;
import org.finetune4j.rlhf.policy.Statistics;
import org.finetune4j.train.steps.StepBatches;

/** GRPO and its relatives: answers are compared with the others to their prompt, and no value head is needed. */
final class GroupAlgorithm implements PolicyAlgorithm {

    /** How often the divergence is measured where nothing depends on it. */
    private static final int ROUNDS_BETWEEN_MEASUREMENTS = 10;

    private final GroupOptions options;
    private final SamplingOptions sampling;
    private final boolean severalSteps;
    private final CausalLM model;
    private final AnswerReader reader;
    private final ReferencePolicy reference;
    private final AnswerBatches batches;

    /** @param severalSteps whether a round is learned from in more than one step, so that its tokens' probabilities change */
    GroupAlgorithm(
            GroupOptions options,
            SamplingOptions sampling,
            boolean severalSteps,
            CausalLM model,
            AnswerReader reader,
            ReferencePolicy reference,
            AnswerBatches batches) {
        this.options = options;
        this.sampling = sampling;
        this.severalSteps = severalSteps;
        this.model = model;
        this.reader = reader;
        this.reference = reference;
        this.batches = batches;
    }

    @Override
    public Lesson prepare(ScoredRound round) {
        List<TrainedAnswer> answers = round.answers();
        Map<String, Double> metrics = new LinkedHashMap<>();
        boolean refers = options.beta() != 0;
        boolean priced = refers && options.klInReward();
        // Where a round is one step, what the policy says now is what its gradient pass sees.
        double[][] drawn =
                severalSteps || priced ? reader.read(model, answers, null).logprobs() : null;
        double[][] referred = refers || round.number() % ROUNDS_BETWEEN_MEASUREMENTS == 0
                ? reference.look(looked -> reader.read(looked, answers, null).logprobs())
                : null;
        if (drawn != null && referred != null) {
            Divergence.report(drawn, referred, metrics);
        }
        double[] rewards = round.rewards().clone();
        if (priced && drawn != null && referred != null) {
            double[] kl = Divergence.sums(KlEstimator.K1, drawn, referred);
            Arrays.setAll(rewards, i -> rewards[i] - options.beta() * kl[i]);
        }
        double[] advantages = advantages(rewards, round.groupSize());
        metrics.put("frac_reward_zero_std", shareWithoutSpread(round));
        List<TrainedAnswer> lesson = new ArrayList<>();
        for (int i = 0; i < answers.size(); i++) {
            TrainedAnswer answer = answers.get(i).with(TrainedAnswer.ADVANTAGE, advantages[i]);
            answer = severalSteps && drawn != null ? answer.with(TrainedAnswer.DRAWN, drawn[i]) : answer;
            lesson.add(!priced && referred != null ? answer.with(TrainedAnswer.REFERENCE, referred[i]) : answer);
        }
        return new Lesson(lesson, round.groupSize(), metrics);
    }

    private double[] advantages(double[] rewards, int groupSize) {
        double[] advantages = options.advantages().of(rewards, groupSize);
        if (!options.normalizeAdvantages()) {
            return advantages;
        }
        Statistics all = Statistics.of(advantages);
        return Arrays.stream(advantages)
                .map(advantage -> (advantage - all.mean()) / (all.deviation() + 1e-4))
                .toArray();
    }

    /** Groups whose answers all earned the same teach nothing. */
    private static double shareWithoutSpread(ScoredRound round) {
        int groups = round.rewards().length / round.groupSize();
        int flat = 0;
        for (int group = 0; group < groups; group++) {
            int start = group * round.groupSize();
            double[] own = Arrays.copyOfRange(round.rewards(), start, start + round.groupSize());
            flat += Statistics.of(own).variance() == 0 ? 1 : 0;
        }
        return groups == 0 ? 0 : (double) flat / groups;
    }

    @Override
    public StepBatches step(List<TrainedAnswer> answers) {
        int[] lengths =
                answers.stream().mapToInt(answer -> answer.answer().length).toArray();
        double[] weights = options.aggregation().weights(lengths, sampling.maxCompletionLength());
        List<TrainedAnswer> weighted = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            // The step's loss is divided by its answers.
            weighted.add(answers.get(i).with(TrainedAnswer.WEIGHT, weights[i] * lengths.length));
        }
        GroupObjective objective =
                new GroupObjective(options.loss(), sampling.temperature(), options.entropyCoefficient());
        return StepBatches.of(batches.of(weighted), objective);
    }

    @Override
    public String fingerprint() {
        return options.toString();
    }
}
