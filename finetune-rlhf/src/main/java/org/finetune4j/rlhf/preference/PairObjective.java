package org.finetune4j.rlhf.preference;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.Batch;
import org.finetune4j.data.Sample;
import org.finetune4j.rlhf.preference.loss.Answer;
import org.finetune4j.rlhf.preference.loss.ConservativeLoss;
import org.finetune4j.rlhf.preference.loss.OddsRatioLoss;
import org.finetune4j.rlhf.preference.loss.PairLoss;
import org.finetune4j.rlhf.preference.loss.SigmoidLoss;
import org.finetune4j.rlhf.preference.loss.SimPoLoss;
import org.finetune4j.train.gradient.Average;
import org.finetune4j.train.gradient.LogprobLoss;
import org.finetune4j.train.gradient.TokenLogprobs;

/**
 * Learns which of two answers is better: the mean over pairs of one or several {@link PairLoss}es, and on request the mean
 * over tokens of how unlikely the chosen answers are.
 */
public final class PairObjective extends ReferencedObjective {

    /** A prompt, a chosen and a rejected answer. */
    private static final int PARTS = 3;

    private final List<Term> terms;
    private final Likelihood likelihood;
    private final boolean referenced;
    private final double tailWeight;
    private final boolean weighted;

    /**
     * One of several losses.
     *
     * @param loss the loss
     * @param weight what it is multiplied by
     */
    public record Term(PairLoss loss, double weight) {}

    /**
     * The part of the loss that is about chosen answers alone, the cross entropy of their tokens.
     *
     * @param weight what it is multiplied by; 0 for none
     * @param prompts whether the tokens of prompts count too
     */
    public record Likelihood(double weight, boolean prompts) {

        /** No such part. */
        public static final Likelihood NONE = new Likelihood(0, false);
    }

    private PairObjective(
            List<Term> terms,
            Likelihood likelihood,
            boolean referenced,
            double tailWeight,
            boolean weighted,
            ReferenceSource reference) {
        super(reference);
        this.terms = List.copyOf(terms);
        this.likelihood = likelihood;
        this.referenced = referenced;
        this.tailWeight = tailWeight;
        this.weighted = weighted;
    }

    /**
     * DPO (Rafailov et al. 2023).
     *
     * @param beta how much a log-ratio counts: the smaller, the further the model may go from the reference
     * @return the objective
     */
    public static PairObjective dpo(double beta) {
        return withReference(List.of(new Term(new SigmoidLoss(beta), 1)), Likelihood.NONE);
    }

    /**
     * ORPO (Hong et al. 2024): the likelihood of the chosen answers and their prompts, and an odds ratio.
     *
     * @param beta the weight of the odds ratio
     * @return the objective
     */
    public static PairObjective orpo(double beta) {
        return withoutReference(List.of(new Term(new OddsRatioLoss(beta), 1)), new Likelihood(1, true));
    }

    /**
     * SimPO (Meng et al. 2024).
     *
     * @param beta what log-probabilities a token are multiplied by
     * @param gamma by how much the chosen answer is to be better
     * @return the objective
     */
    public static PairObjective simpo(double beta, double gamma) {
        return withoutReference(List.of(new Term(new SimPoLoss(beta, gamma, 0), 1)), Likelihood.NONE);
    }

    /**
     * CPO (Xu et al. 2024): DPO without a reference, and the likelihood of the chosen answers.
     *
     * @param beta what log-probabilities are multiplied by
     * @param alpha the weight of the likelihood
     * @return the objective
     */
    public static PairObjective cpo(double beta, double alpha) {
        return withoutReference(List.of(new Term(new ConservativeLoss(beta, 0), 1)), new Likelihood(alpha, false));
    }

    /**
     * Losses that compare the model with a reference.
     *
     * @param terms at least one
     * @param likelihood of the chosen answers
     * @return the objective
     */
    public static PairObjective withReference(List<Term> terms, Likelihood likelihood) {
        return new PairObjective(terms, likelihood, true, 1, false, ReferenceSource.NONE);
    }

    /**
     * Losses that look at the model alone.
     *
     * @param terms at least one
     * @param likelihood of the chosen answers
     * @return the objective
     */
    public static PairObjective withoutReference(List<Term> terms, Likelihood likelihood) {
        return new PairObjective(terms, likelihood, false, 1, false, ReferenceSource.NONE);
    }

    @Override
    boolean isReferenced() {
        return referenced;
    }

    @Override
    PairObjective with(ReferenceSource newReference) {
        return new PairObjective(terms, likelihood, referenced, tailWeight, weighted, newReference);
    }

    /**
     * The same with less weight on what makes one answer longer than the other (LD-DPO, Liu et al. 2024, arXiv:2409.06411).
     *
     * @param weight what a token of the longer answer counts past the length of the shorter one, from 0 to 1
     * @return the objective, for samples that say so
     */
    public PairObjective withTailWeight(double weight) {
        return new PairObjective(terms, likelihood, referenced, weight, weighted, ReferenceSource.NONE);
    }

    /**
     * The same with pairs that count as much as the model would write both answers itself (WPO, Zhou et al. 2024, arXiv:2406.11827):
     * for each answer the exponential of the mean over its tokens of log p - log(sum of all squared probabilities). The
     * weights themselves are not learned.
     *
     * @return the objective
     * @throws UserErrorException when a loss looks at all pairs together
     */
    public PairObjective weightedByLikeliness() {
        for (Term term : terms) {
            if (term.loss.comparesPairs()) {
                throw new UserErrorException(
                        "use_weighting weighs pairs, and loss_type aot compares all of a batch with one another");
            }
        }
        return new PairObjective(terms, likelihood, referenced, tailWeight, true, ReferenceSource.NONE);
    }

    @Override
    public boolean readsCollisions() {
        return weighted;
    }

    /** {@return what a token of the longer answer counts past the length of the shorter one} */
    public double tailWeight() {
        return tailWeight;
    }

    /** {@return whether samples label the tokens of their prompts} */
    public boolean labelsPrompts() {
        return likelihood.weight != 0 && likelihood.prompts;
    }

    /** Not where the likelihood is a mean over the tokens of a batch, pairs are compared, or the answers of a pair have a row each. */
    @Override
    public boolean isSumOverRows(Batch batch) {
        return likelihood.weight == 0
                && terms.stream().noneMatch(term -> term.loss.comparesPairs())
                && Arrays.stream(batch.column(PreferenceColumns.ANSWER_TOKENS))
                        .allMatch(parts -> parts.length % PARTS == 0);
    }

    /** The number of pairs. */
    @Override
    public long count(Batch batch) {
        return AnswerTokens.of(batch).parts() / PARTS;
    }

    @Override
    public boolean teaches(Sample sample) {
        float[] counts = sample.columns().get(PreferenceColumns.ANSWER_TOKENS);
        return counts != null && counts.length == PARTS && counts[1] > 0 && counts[2] > 0;
    }

    @Override
    public LogprobLoss.Value loss(Batch batch, TokenLogprobs logprobs) {
        AnswerTokens parts = AnswerTokens.of(batch);
        double[] sums = parts.sums(logprobs);
        List<PairLoss.Pair> pairs = pairs(parts, sums, reference(batch, parts));
        double[] weights = weights(parts, logprobs, pairs.size());
        double[] byPart = new double[sums.length];
        double loss = 0;
        for (Term term : terms) {
            List<PairLoss.Value> values = term.loss.ofAll(pairs);
            for (int i = 0; i < values.size(); i++) {
                double weight = term.weight * weights[i];
                loss += weight * values.get(i).loss();
                byPart[PARTS * i + 1] += weight * values.get(i).chosen();
                byPart[PARTS * i + 2] += weight * values.get(i).rejected();
            }
        }
        double[] derivative = parts.spread(byPart);
        double[] plain = likelihood.weight == 0 ? sums : parts.plainSums(logprobs);
        if (likelihood.weight != 0) {
            double tokens = likelihoodTokens(parts);
            double[] likely = new double[sums.length];
            for (int part = 0; part < sums.length; part++) {
                if (isLikely(part)) {
                    // The mean over the batch's tokens, as often as it has pairs (or they count): what is summed is
                    // divided by pairs.
                    double weight = likelihood.weight * Arrays.stream(weights).sum() / tokens;
                    loss -= weight * plain[part];
                    likely[part] = -weight;
                }
            }
            double[] byLikelihood = parts.spreadEvenly(likely);
            Arrays.setAll(derivative, token -> derivative[token] + byLikelihood[token]);
        }
        return new LogprobLoss.Value(loss, derivative, metrics(parts, plain, pairs));
    }

    /** What each pair counts. */
    private double[] weights(AnswerTokens parts, TokenLogprobs logprobs, int pairs) {
        double[] weights = new double[pairs];
        Arrays.fill(weights, 1);
        if (weighted) {
            double[] aligned = new double[logprobs.size()];
            Arrays.setAll(aligned, token -> logprobs.values()[token] - logprobs.collisions()[token]);
            double[] sums = parts.plainSums(new TokenLogprobs(logprobs.rows(), logprobs.positions(), aligned));
            Arrays.setAll(
                    weights,
                    pair -> Math.exp(sums[PARTS * pair + 1] / parts.count(PARTS * pair + 1)
                            + sums[PARTS * pair + 2] / parts.count(PARTS * pair + 2)));
        }
        return weights;
    }

    private boolean isLikely(int part) {
        return part % PARTS == 1 || (likelihood.prompts && part % PARTS == 0);
    }

    private double likelihoodTokens(AnswerTokens parts) {
        double tokens = 0;
        for (int part = 0; part < parts.parts(); part++) {
            tokens += isLikely(part) ? parts.count(part) : 0;
        }
        return tokens;
    }

    private static List<PairLoss.Pair> pairs(AnswerTokens parts, double[] sums, double[] reference) {
        List<PairLoss.Pair> pairs = new ArrayList<>();
        for (int part = 0; part + 2 < parts.parts(); part += PARTS) {
            pairs.add(new PairLoss.Pair(
                    new Answer(sums[part + 1], reference[part + 1], parts.count(part + 1)),
                    new Answer(sums[part + 2], reference[part + 2], parts.count(part + 2))));
        }
        return pairs;
    }

    private Map<String, Average> metrics(AnswerTokens parts, double[] sums, List<PairLoss.Pair> pairs) {
        PairMetrics metrics = new PairMetrics(terms.get(0).loss);
        pairs.forEach(pair -> metrics.add(pair.chosen(), pair.rejected()));
        if (likelihood.weight != 0) {
            double sum = 0;
            for (int part = 0; part < sums.length; part++) {
                sum += isLikely(part) ? sums[part] : 0;
            }
            metrics.likelihood(-sum, likelihoodTokens(parts), pairs.size());
        }
        return metrics.averages();
    }
}
