package org.finetune4j.rlhf.preference;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.rlhf.preference.loss.Answer;
import org.finetune4j.rlhf.preference.loss.KtoLoss;
import org.finetune4j.rlhf.preference.loss.UnpairedLoss;
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

    @Override
    UnpairedObjective with(ReferenceSource newReference) {
        return new UnpairedObjective(loss, newReference);
    }

    /** {@return whether samples come with an answer to another prompt} */
    public boolean needsDivergence() {
        return loss.needsDivergence();
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
        return new LogprobLoss.Value(total, parts.spread(byPart));
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

    /**
     * What there is to see of a batch besides its loss, under TRL's names.
     *
     * @param batch the batch, with its reference
     * @param logprobs of its labelled tokens
     * @return the divergence, and means over the good and the bad answers that there are
     */
    @Override
    public Map<String, Double> metrics(Batch batch, TokenLogprobs logprobs) {
        AnswerTokens parts = AnswerTokens.of(batch);
        double[] sums = parts.sums(logprobs);
        double[] reference = reference(batch, parts);
        double[] desirable = AnswerTokens.flat(batch, PreferenceColumns.DESIRABLE);
        Map<String, Double> metrics = new LinkedHashMap<>();
        metrics.put("kl", divergence(parts, sums, reference));
        for (boolean good : new boolean[] {true, false}) {
            double reward = 0;
            double logprob = 0;
            int count = 0;
            for (int i = 0; i < desirable.length; i++) {
                if (desirable[i] > 0 == good) {
                    Answer answer = answer(i, parts, sums, reference);
                    reward += loss.beta() * answer.ratio();
                    logprob += answer.logprob();
                    count++;
                }
            }
            if (count > 0) {
                metrics.put(good ? "rewards/chosen" : "rewards/rejected", reward / count);
                metrics.put(good ? "logps/chosen" : "logps/rejected", logprob / count);
            }
        }
        Double chosen = metrics.get("rewards/chosen");
        Double rejected = metrics.get("rewards/rejected");
        if (chosen != null && rejected != null) {
            metrics.put("rewards/margins", chosen - rejected);
        }
        return metrics;
    }
}
