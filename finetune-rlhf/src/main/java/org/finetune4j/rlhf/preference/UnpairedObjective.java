package org.finetune4j.rlhf.preference;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.rlhf.preference.loss.Answer;
import org.finetune4j.rlhf.preference.loss.KtoLoss;
import org.finetune4j.rlhf.preference.loss.UnpairedLoss;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.LogprobLoss;
import org.finetune4j.train.gradient.TokenLogprobs;

/**
 * Learns from answers that were found good or bad: the mean over answers of an {@link UnpairedLoss}. How far the model is from
 * the reference is estimated on answers that belong to other prompts, one for each sample; they teach nothing. Samples are
 * made by {@link UnpairedSamples}.
 */
public final class UnpairedObjective extends ReferencedObjective {

    /** An answer, and one to another prompt. */
    private static final int PARTS = 2;

    private final UnpairedLoss loss;

    private UnpairedObjective(UnpairedLoss loss, ReferenceSource reference) {
        super(reference);
        this.loss = loss;
    }

    /**
     * KTO (Ethayarajh et al. 2024) with good and bad answers weighted alike.
     *
     * @param beta how much a log-ratio counts
     * @return the objective
     */
    public static UnpairedObjective kto(double beta) {
        return of(new KtoLoss(beta, 1, 1));
    }

    /**
     * The objective of a loss.
     *
     * @param loss of one answer
     * @return the objective
     */
    public static UnpairedObjective of(UnpairedLoss loss) {
        return new UnpairedObjective(loss, ReferenceSource.NONE);
    }

    @Override
    boolean isReferenced() {
        return true;
    }

    /** {@return whether the loss compares with answers to other prompts} */
    public boolean readsOtherAnswers() {
        return loss.needsDivergence();
    }

    @Override
    UnpairedObjective with(ReferenceSource newReference) {
        return new UnpairedObjective(loss, newReference);
    }

    /** {@return whether samples come with an answer to another prompt} */
    public boolean needsDivergence() {
        return loss.needsDivergence();
    }

    /** Not where all answers of a batch tell how far the model is from the reference. */
    @Override
    public boolean isSumOverRows(Batch batch) {
        return !loss.needsDivergence();
    }

    /** The number of answers. */
    @Override
    public long count(Batch batch) {
        return AnswerTokens.of(batch).parts() / PARTS;
    }

    @Override
    public boolean teaches(Sample sample) {
        float[] counts = sample.columns().get(PreferenceColumns.ANSWER_TOKENS);
        return counts != null && counts.length == PARTS && counts[0] > 0;
    }

    @Override
    public LogprobLoss.Value loss(Batch batch, TokenLogprobs logprobs) {
        AnswerTokens parts = AnswerTokens.of(batch);
        double[] sums = parts.sums(logprobs);
        double[] reference = reference(batch, parts);
        double[] desirable = AnswerTokens.flat(batch, PreferenceColumns.DESIRABLE);
        double divergence = divergence(parts, sums, reference);
        double[] byPart = new double[sums.length];
        double total = 0;
        for (int i = 0; i < desirable.length; i++) {
            UnpairedLoss.Value value = loss.of(answer(i, parts, sums, reference), desirable[i] > 0, divergence);
            total += value.loss();
            byPart[PARTS * i] = value.derivative();
        }
        return new LogprobLoss.Value(
                total, parts.spread(byPart), metrics(parts, sums, reference, desirable, divergence));
    }

    private static Answer answer(int number, AnswerTokens parts, double[] sums, double[] reference) {
        int part = PARTS * number;
        return new Answer(sums[part], reference[part], parts.count(part));
    }

    /** The mean log-ratio of the answers to other prompts; a divergence is not negative, its estimate can be. */
    private double divergence(AnswerTokens parts, double[] sums, double[] reference) {
        if (!loss.needsDivergence()) {
            return 0;
        }
        double sum = 0;
        for (int part = 1; part < sums.length; part += PARTS) {
            sum += sums[part] - reference[part];
        }
        return Math.max(0, sum * PARTS / parts.parts());
    }

    /** The divergence, and rewards and log-probabilities of the good and the bad answers that there are. */
    private Map<String, Average> metrics(
            AnswerTokens parts, double[] sums, double[] reference, double[] desirable, double divergence) {
        Map<String, Average> metrics = new LinkedHashMap<>();
        metrics.put("kl", new Average(divergence * desirable.length, desirable.length));
        for (int i = 0; i < desirable.length; i++) {
            Answer answer = answer(i, parts, sums, reference);
            String judged = desirable[i] > 0 ? "chosen" : "rejected";
            metrics.merge("rewards/" + judged, Average.of(loss.beta() * answer.ratio()), Average::plus);
            metrics.merge("logps/" + judged, Average.of(answer.logprob()), Average::plus);
        }
        return metrics;
    }

    /** By how much the good answers' mean reward exceeds the bad ones', where the step has both. */
    @Override
    public void derive(Map<String, Double> means) {
        PreferenceMeasurement.margin(means);
    }
}
