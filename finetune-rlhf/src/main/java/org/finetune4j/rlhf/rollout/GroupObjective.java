package org.finetune4j.rlhf.rollout;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.model.DecoderModel;
import org.finetune4j.rlhf.policy.GroupPolicyLoss;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.LossHead;
import org.finetune4j.train.gradient.PolicyLoss;
import org.finetune4j.train.objective.Objective;

/** The loss of the group methods, the mean over answers as their weights say, less a bonus for being undecided. */
final class GroupObjective implements Objective {

    private final GroupPolicyLoss loss;
    private final double temperature;
    private final double entropyCoefficient;

    GroupObjective(GroupPolicyLoss loss, double temperature, double entropyCoefficient) {
        this.loss = loss;
        this.temperature = temperature;
        this.entropyCoefficient = entropyCoefficient;
    }

    @Override
    public long count(Batch batch) {
        return AnswerRows.count(batch);
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
        PolicyLoss.Detail detail =
                entropyCoefficient == 0 ? PolicyLoss.Detail.MEASURED_ENTROPIES : PolicyLoss.Detail.ENTROPIES;
        return new PolicyLoss(network, batch, scale, temperature, null, detail, outputs -> value(batch, outputs));
    }

    private PolicyLoss.Value value(Batch batch, PolicyLoss.Outputs outputs) {
        int[] lengths = AnswerRows.lengths(batch);
        double[][] now = AnswerRows.split(outputs.logprobs().values(), lengths);
        double[][] drawn = batch.columns().containsKey(TrainedAnswer.DRAWN)
                ? AnswerRows.tokens(batch, TrainedAnswer.DRAWN, lengths)
                : now;
        double[][] reference = batch.columns().containsKey(TrainedAnswer.REFERENCE)
                ? AnswerRows.tokens(batch, TrainedAnswer.REFERENCE, lengths)
                : null;
        Map<String, Average> metrics = new LinkedHashMap<>();
        if (drawn == now && reference != null) {
            Divergence.average(now, reference, metrics);
        }
        float[] advantages = AnswerRows.answers(batch, TrainedAnswer.ADVANTAGE);
        float[] weights = AnswerRows.answers(batch, TrainedAnswer.WEIGHT);
        double sum = 0;
        int clipped = 0;
        double[] entropyWeights = new double[outputs.entropies().length];
        int token = 0;
        double[][] derivatives = new double[lengths.length][];
        for (int i = 0; i < lengths.length; i++) {
            double weight = weights[i];
            GroupPolicyLoss.Value value = loss.of(new GroupPolicyLoss.Answer(
                    now[i], drawn[i], reference == null ? null : reference[i], advantages[i]));
            sum += value.sum() * weight;
            clipped += loss.clipped(value.clippedLow()) + loss.clipped(value.clippedHigh());
            derivatives[i] = Arrays.stream(value.derivative())
                    .map(derivative -> derivative * weight)
                    .toArray();
            for (int t = 0; t < lengths[i]; t++) {
                sum -= entropyCoefficient * weight * outputs.entropies()[token];
                entropyWeights[token++] = -entropyCoefficient * weight;
            }
        }
        metrics.put("clip_ratio", new Average(clipped, loss.ratios(lengths)));
        metrics.put("entropy", new Average(Arrays.stream(outputs.entropies()).sum(), token));
        return new PolicyLoss.Value(
                sum,
                AnswerRows.joined(derivatives),
                entropyCoefficient == 0 ? new double[0] : entropyWeights,
                new double[0],
                metrics);
    }
}
