package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.policy.Statistics;
import org.finetune4j.rlhf.rewards.WeightedRewards;
import org.finetune4j.train.Evaluation;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.objective.Ranks;
import org.jspecify.annotations.Nullable;

/**
 * Measures a policy by the rewards of its answers to held-out prompts, drawn with the same random numbers every time. The loss is the
 * mean reward with the other sign, so that the smallest one belongs to the best policy.
 */
final class RewardEvaluation implements Evaluation {

    private final CausalLM model;
    private final PromptSamples prompts;
    private final SamplingOptions sampling;
    private final long seed;
    private @Nullable WeightedRewards rewards;
    private Ranks ranks = new Ranks() {};

    RewardEvaluation(CausalLM model, PromptSamples prompts, SamplingOptions sampling, long seed) {
        this.model = model;
        this.prompts = prompts;
        this.sampling = sampling.withGenerations(1);
        this.seed = seed;
    }

    /** Scores by these from now on, with these ranks. */
    void use(WeightedRewards opened, Ranks with) {
        rewards = opened;
        ranks = with;
    }

    @Override
    public EvaluationMetrics evaluate(long step) {
        WeightedRewards scoring = rewards;
        if (scoring == null) {
            throw new IllegalStateException("held-out answers are scored while a training runs");
        }
        List<PolicyPrompt> asked = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            asked.add(prompts.prompt(i));
        }
        List<Episode> episodes = new PolicySampler(model, sampling).answer(asked, seed, 0);
        WeightedRewards.Scores scores =
                scoring.score(episodes.stream().map(Episode::request).toList(), ranks);
        Statistics reward = Statistics.of(scores.total());
        Map<String, Double> named = new LinkedHashMap<>();
        named.put("reward", reward.mean());
        named.put("reward_std", reward.deviation());
        scores.bySource()
                .forEach((name, own) ->
                        named.put("rewards/" + name, Statistics.of(own).mean()));
        named.put(
                "completions/mean_length",
                episodes.stream()
                        .mapToInt(episode -> episode.tokens().length)
                        .average()
                        .orElse(0));
        named.put(
                "completions/ended",
                episodes.stream()
                        .mapToInt(episode -> episode.ended() ? 1 : 0)
                        .average()
                        .orElse(0));
        return new EvaluationMetrics(step, -reward.mean(), episodes.size(), null, named);
    }

    @Override
    public String fingerprint() {
        return prompts.size() + " held-out prompts, " + sampling;
    }
}
