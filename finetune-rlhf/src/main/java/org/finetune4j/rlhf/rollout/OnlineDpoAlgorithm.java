package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.preference.PairObjective;
import org.finetune4j.rlhf.preference.PreferenceColumns;
import org.finetune4j.train.steps.StepBatches;

/**
 * Online DPO (Guo et al. 2024, arXiv:2402.04792): of a prompt's answers the best is preferred to the worst. Where all earned the same
 * there is no pair.
 */
final class OnlineDpoAlgorithm implements PolicyAlgorithm {

    private final PairObjective objective;
    private final String settings;
    private final CausalLM model;
    private final AnswerReader reader;
    private final ReferencePolicy reference;
    private final AnswerBatches batches;

    /** @param settings of the loss, which must be the same for a resumed run */
    OnlineDpoAlgorithm(
            PairObjective objective,
            String settings,
            CausalLM model,
            AnswerReader reader,
            ReferencePolicy reference,
            AnswerBatches batches) {
        this.objective = objective;
        this.settings = settings;
        this.model = model;
        this.reader = reader;
        this.reference = reference;
        this.batches = new AnswerBatches(batches.collator(), Math.max(2, batches.size() / 2 * 2), batches.shares());
    }

    @Override
    public Lesson prepare(ScoredRound round) {
        List<TrainedAnswer> chosenThenRejected = new ArrayList<>();
        double margin = 0;
        for (int start = 0; start < round.episodes().size(); start += round.groupSize()) {
            int best = start;
            int worst = start;
            for (int i = start; i < start + round.groupSize(); i++) {
                best = round.rewards()[i] > round.rewards()[best] ? i : best;
                worst = round.rewards()[i] < round.rewards()[worst] ? i : worst;
            }
            if (round.rewards()[best] > round.rewards()[worst]) {
                chosenThenRejected.add(TrainedAnswer.of(round.episodes().get(best)));
                chosenThenRejected.add(TrainedAnswer.of(round.episodes().get(worst)));
                margin += round.rewards()[best] - round.rewards()[worst];
            }
        }
        Map<String, Double> metrics = new LinkedHashMap<>();
        int pairs = chosenThenRejected.size() / 2;
        metrics.put("pairs", (double) pairs);
        if (pairs == 0) {
            return new Lesson(List.of(), 2, metrics);
        }
        metrics.put("reward_margin", margin / pairs);
        double[][] drawn = reader.read(model, chosenThenRejected, null).logprobs();
        double[][] referred = reference.look(
                looked -> reader.read(looked, chosenThenRejected, null).logprobs());
        Divergence.report(drawn, referred, metrics);
        return new Lesson(withColumns(chosenThenRejected, sums(referred)), 2, metrics);
    }

    private static double[] sums(double[][] logprobs) {
        return Arrays.stream(logprobs)
                .mapToDouble(answer -> Arrays.stream(answer).sum())
                .toArray();
    }

    /** A pair has three parts: its prompt, which is not learned, and both answers. */
    private static List<TrainedAnswer> withColumns(List<TrainedAnswer> answers, double[] reference) {
        List<TrainedAnswer> all = new ArrayList<>();
        for (int i = 0; i < answers.size(); i++) {
            TrainedAnswer answer = answers.get(i);
            double tokens = answer.answer().length;
            all.add(
                    i % 2 == 0
                            ? answer.with(PreferenceColumns.ANSWER_TOKENS, 0, tokens)
                                    .with(PreferenceColumns.REFERENCE, 0, reference[i])
                            : answer.with(PreferenceColumns.ANSWER_TOKENS, tokens)
                                    .with(PreferenceColumns.REFERENCE, reference[i]));
        }
        return all;
    }

    @Override
    public StepBatches step(List<TrainedAnswer> answers) {
        return StepBatches.of(batches.of(answers), objective);
    }

    @Override
    public String fingerprint() {
        return "online DPO, " + settings;
    }
}
