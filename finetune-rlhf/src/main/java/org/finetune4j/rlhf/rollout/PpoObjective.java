package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.nn.ValueHead;
import org.finetune4j.rlhf.policy.PpoLoss;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.PolicyLoss;
import org.finetune4j.train.objective.Objective;
import org.jspecify.annotations.Nullable;

/**
 * PPO's loss, the mean over tokens, less a bonus for being undecided: of the policy, of the value head, or, where both sit on one
 * trunk, of the two together.
 */
final class PpoObjective implements Objective {

    /** What the trunk of a pass carries. */
    enum Part {
        POLICY,
        VALUE,
        BOTH
    }

    private final PpoLoss loss;
    private final Part part;
    private final @Nullable ValueHead valueHead;
    private final double temperature;
    private final double entropyCoefficient;

    /** @param valueHead null where only the policy is looked at */
    PpoObjective(
            PpoLoss loss, Part part, @Nullable ValueHead valueHead, double temperature, double entropyCoefficient) {
        this.loss = loss;
        this.part = part;
        this.valueHead = valueHead;
        this.temperature = temperature;
        this.entropyCoefficient = entropyCoefficient;
    }

    @Override
    public long count(Batch batch) {
        return batch.labelledTokens();
    }

    @Override
    public boolean isSumOverRows(Batch batch) {
        return true;
    }

    @Override
    public boolean teaches(Sample sample) {
        return true;
    }

    @Override
    public LossHead head(DecoderModel network, Batch batch, double scale) {
        return new PolicyLoss(
                network, batch, scale, temperature, valueHead, detail(), outputs -> value(batch, outputs));
    }

    private PolicyLoss.Detail detail() {
        if (part == Part.VALUE) {
            return PolicyLoss.Detail.VALUES;
        }
        return entropyCoefficient == 0 ? PolicyLoss.Detail.MEASURED_ENTROPIES : PolicyLoss.Detail.ENTROPIES;
    }

    private PolicyLoss.Value value(Batch batch, PolicyLoss.Outputs outputs) {
        int[] lengths = AnswerRows.lengths(batch);
        double[][] before = AnswerRows.tokens(batch, TrainedAnswer.VALUES, lengths);
        double[][] returns = AnswerRows.tokens(batch, TrainedAnswer.RETURNS, lengths);
        double[][] drawn = AnswerRows.tokens(batch, TrainedAnswer.DRAWN, lengths);
        double[][] advantages = AnswerRows.tokens(batch, TrainedAnswer.ADVANTAGE, lengths);
        double[][] now =
                part == Part.VALUE ? drawn : AnswerRows.split(outputs.logprobs().values(), lengths);
        double[][] estimates = part == Part.POLICY ? before : AnswerRows.split(outputs.values(), lengths);
        List<PpoLoss.Answer> answers = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            answers.add(new PpoLoss.Answer(now[i], drawn[i], advantages[i], estimates[i], before[i], returns[i]));
        }
        PpoLoss.Value value = loss.of(answers, 1, 1);
        int tokens = outputs.logprobs().size();
        double sum = 0;
        double[] entropies = new double[0];
        Map<String, Average> metrics = new LinkedHashMap<>();
        if (part != Part.VALUE) {
            double entropy = Arrays.stream(outputs.entropies()).sum();
            sum += value.policyLoss() - entropyCoefficient * entropy;
            metrics.put("entropy", new Average(entropy, tokens));
            entropies = new double[entropyCoefficient == 0 ? 0 : tokens];
            Arrays.fill(entropies, -entropyCoefficient);
            metrics.put("clip_ratio", new Average((double) value.clippedTokens(), tokens));
            metrics.put("loss/policy", new Average(value.policyLoss(), tokens));
        }
        if (part != Part.POLICY) {
            sum += loss.valueCoefficient() * value.valueLoss();
            metrics.put("val/clip_ratio", new Average((double) value.clippedPositions(), tokens));
            metrics.put("loss/value", new Average(value.valueLoss(), tokens));
        }
        return new PolicyLoss.Value(
                sum,
                part == Part.VALUE ? new double[0] : AnswerRows.joined(value.logprobDerivatives()),
                entropies,
                part == Part.POLICY ? new double[0] : AnswerRows.joined(value.estimateDerivatives()),
                metrics);
    }
}
