package org.finetune4j.rlhf.rollout;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.SeededShuffle;
import org.finetune4j.rlhf.policy.RunningStatistics;
import org.finetune4j.rlhf.policy.Statistics;
import org.finetune4j.rlhf.rewards.RewardRequest;
import org.finetune4j.rlhf.rewards.WeightedRewards;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.steps.SourceState;
import org.finetune4j.train.steps.StepBatches;
import org.finetune4j.train.steps.StepOutcome;
import org.finetune4j.train.steps.StepSetup;
import org.finetune4j.train.steps.StepSource;
import org.finetune4j.train.steps.StepsEnd;

/**
 * Steps on what the model answers. In every round it answers some prompts, the answers are scored, and the steps go over them; then
 * the next round begins with the new weights. A checkpoint keeps the answers of its round.
 */
final class RolloutSource implements StepSource {

    private static final String ROUND = "round";
    private static final String STEP = "step_of_round";
    private static final String UNIT = "unit";
    private static final String SEEN = "scores";
    private static final String METRIC = "metric.";

    private static final int MOST_EMPTY_ROUNDS = 20;

    private final StepSetup setup;
    private final PromptSamples prompts;
    private final RolloutOptions options;
    private final WeightedRewards rewards;
    private final PolicyAlgorithm algorithm;
    private final AutoCloseable resources;
    private final PolicySampler sampler;
    private final CollapseGuard guard;
    private final CompletionLog log;
    private final int answersPerStep;
    private final int promptsPerRound;

    private long round;
    private int stepOfRound;
    private int unit = 1;
    private List<TrainedAnswer> lesson = List.of();
    private Map<String, Double> roundMetrics = new LinkedHashMap<>();
    private RunningStatistics seen = RunningStatistics.NONE;
    private Map<String, Double> reported = Map.of();

    /** @param resources closed with this */
    RolloutSource(
            StepSetup setup,
            PromptSamples prompts,
            RolloutOptions options,
            WeightedRewards rewards,
            PolicyAlgorithm algorithm,
            AutoCloseable resources) {
        this.setup = setup;
        this.prompts = prompts;
        this.options = options;
        this.rewards = rewards;
        this.algorithm = algorithm;
        this.resources = resources;
        this.sampler = new PolicySampler(setup.model(), options.sampling());
        this.guard = new CollapseGuard(options.collapse());
        this.log = CompletionLog.in(
                setup.writes() ? setup.arguments().outputDirectory() : null, options.samplesPerRound());
        this.answersPerStep = RoundSize.answersPerStep(setup.arguments());
        this.promptsPerRound = RoundSize.promptsPerRound(setup.arguments(), options);
    }

    @Override
    public OptionalLong totalSteps() {
        TrainingArguments arguments = setup.arguments();
        if (arguments.maxSteps() > 0) {
            return OptionalLong.of(arguments.maxSteps());
        }
        double rounds = Math.ceil(arguments.epochs() * prompts.size() / promptsPerRound);
        return OptionalLong.of(Math.round(rounds) * options.stepsPerRound());
    }

    @Override
    public double epoch() {
        double rounds = lesson.isEmpty() ? round : round - 1 + (double) stepOfRound / options.stepsPerRound();
        return rounds * promptsPerRound / prompts.size();
    }

    @Override
    public double totalEpochs() {
        double steps = totalSteps().orElseThrow();
        return steps / options.stepsPerRound() * promptsPerRound / prompts.size();
    }

    @Override
    public String fingerprint() {
        TrainingArguments arguments = setup.arguments();
        return prompts.size() + " prompts, " + options.sampling() + ", " + options.epochs() + " passes of "
                + options.miniBatches() + " steps of " + answersPerStep + " answers, " + options.shaping() + ", "
                + algorithm.fingerprint() + ", seed " + arguments.seed();
    }

    @Override
    public Optional<StepsEnd> end() {
        return guard.sign().map(sign -> StepsEnd.collapse("the policy collapses: " + sign));
    }

    @Override
    public Optional<StepBatches> next() {
        for (int tried = 0; lesson.isEmpty(); tried++) {
            if (tried == MOST_EMPTY_ROUNDS) {
                throw new UserErrorException(
                        tried + " rounds in a row have no answer to learn from: all answers to a prompt"
                                + " earned the same, or none reached reward_threshold");
            }
            if (setup.stopRequested().getAsBoolean() || !answer()) {
                return Optional.empty();
            }
        }
        return Optional.of(algorithm.step(answersOfStep()));
    }

    /** A round; nothing is changed where a stop is asked for in it, or it fails. */
    private boolean answer() {
        List<PolicyPrompt> asked = promptsOfRound();
        long firstAnswer = round * promptsPerRound * options.sampling().generations();
        List<Episode> episodes = sampler.answer(asked, setup.arguments().seed(), firstAnswer);
        if (setup.stopRequested().getAsBoolean()) {
            return false;
        }
        List<RewardRequest> requests = episodes.stream().map(Episode::request).toList();
        WeightedRewards.Scores scores = rewards.score(requests, setup.ranks());
        RunningStatistics all = seen.with(scores.total());
        boolean[] ended = new boolean[episodes.size()];
        for (int i = 0; i < ended.length; i++) {
            ended[i] = episodes.get(i).ended();
        }
        double[] shaped = options.shaping().of(scores.total(), ended, all);
        PolicyAlgorithm.Lesson learned = algorithm.prepare(
                new ScoredRound(episodes, shaped, options.sampling().generations(), round));
        // From here on nothing fails.
        algorithm.accept(learned);
        log.add(round, episodes, scores.total());
        seen = all;
        lesson = learned.answers();
        unit = learned.unit();
        roundMetrics = metrics(episodes, scores);
        roundMetrics.putAll(learned.metrics());
        round++;
        stepOfRound = 0;
        return true;
    }

    private List<PolicyPrompt> promptsOfRound() {
        List<PolicyPrompt> asked = new ArrayList<>();
        int[] order = new int[0];
        long epochOfOrder = -1;
        for (int i = 0; i < promptsPerRound; i++) {
            long place = round * promptsPerRound + i;
            long epoch = place / prompts.size();
            if (epoch != epochOfOrder) {
                order = order(epoch);
                epochOfOrder = epoch;
            }
            asked.add(prompts.prompt(order[(int) (place % prompts.size())]));
        }
        return asked;
    }

    private int[] order(long epoch) {
        if (setup.arguments().shuffle()) {
            return SeededShuffle.permutation(prompts.size(), setup.arguments().seed(), epoch);
        }
        int[] order = new int[prompts.size()];
        Arrays.setAll(order, i -> i);
        return order;
    }

    /** The answers of a step: those of a pass in an order of its own, units of them kept together. */
    private List<TrainedAnswer> answersOfStep() {
        int pass = stepOfRound / options.miniBatches();
        int units = lesson.size() / unit;
        int[] order = SeededShuffle.permutation(units, setup.arguments().seed() + 1, round * options.epochs() + pass);
        int part = stepOfRound % options.miniBatches();
        int from = (int) ((long) units * part / options.miniBatches());
        int to = (int) ((long) units * (part + 1) / options.miniBatches());
        List<TrainedAnswer> some = new ArrayList<>();
        for (int i = from; i < Math.max(to, from + 1); i++) {
            int start = order[Math.min(i, units - 1)] * unit;
            some.addAll(lesson.subList(start, start + unit));
        }
        return some;
    }

    private Map<String, Double> metrics(List<Episode> episodes, WeightedRewards.Scores scores) {
        Map<String, Double> metrics = new LinkedHashMap<>();
        Statistics rewards = Statistics.of(scores.total());
        metrics.put("reward", rewards.mean());
        metrics.put("reward_std", rewards.deviation());
        scores.bySource()
                .forEach((name, own) ->
                        metrics.put("rewards/" + name, Statistics.of(own).mean()));
        metrics.put(
                "completions/mean_length",
                episodes.stream()
                        .mapToInt(episode -> episode.tokens().length)
                        .average()
                        .orElse(0));
        metrics.put(
                "completions/ended",
                episodes.stream()
                        .mapToInt(episode -> episode.ended() ? 1 : 0)
                        .average()
                        .orElse(0));
        metrics.put("completions/distinct", (double) distinct(episodes) / Math.max(1, episodes.size()));
        metrics.put("completions/of_one_kind", isOneKind(episodes) ? 1.0 : 0);
        return metrics;
    }

    private static int distinct(List<Episode> episodes) {
        Set<List<Integer>> all = new HashSet<>();
        episodes.forEach(
                episode -> all.add(Arrays.stream(episode.tokens()).boxed().toList()));
        return all.size();
    }

    private static boolean isOneKind(List<Episode> episodes) {
        long asked = episodes.stream()
                .mapToInt(episode -> episode.prompt().index())
                .distinct()
                .count();
        return asked > 1 && distinct(episodes) == 1;
    }

    @Override
    public void updated(StepOutcome outcome) {
        algorithm.afterStep();
        Map<String, Double> all = new LinkedHashMap<>(roundMetrics);
        all.putAll(outcome.metrics());
        reported = all;
        stepOfRound++;
        if (stepOfRound == options.stepsPerRound()) {
            guard.consider(
                    roundMetrics.getOrDefault("reward", Double.NaN),
                    all.getOrDefault("kl/k3", Double.NaN),
                    all.getOrDefault("entropy", Double.NaN),
                    roundMetrics.getOrDefault("completions/of_one_kind", 0.0) == 1);
            lesson = List.of();
            stepOfRound = 0;
        }
    }

    @Override
    public Map<String, Double> metrics() {
        return reported;
    }

    @Override
    public SourceState state() {
        SourceState state = new SourceState(SourceState.empty().values(), AnswerBuffer.tensors(lesson))
                .with(ROUND, round)
                .with(STEP, stepOfRound)
                .with(UNIT, unit)
                .with(SEEN + ".count", seen.count())
                .with(SEEN + ".mean", seen.mean())
                .with(SEEN + ".squares", seen.squares());
        roundMetrics.forEach((name, value) -> state.with(METRIC + name, value));
        guard.save(state);
        algorithm.save(state);
        return state;
    }

    @Override
    public void restore(SourceState state) {
        lesson = AnswerBuffer.answers(state.tensors());
        round = state.natural(ROUND, Integer.MAX_VALUE);
        stepOfRound = (int) state.natural(STEP, options.stepsPerRound() - 1L);
        unit = (int) Math.max(1, state.natural(UNIT, Integer.MAX_VALUE));
        seen = new RunningStatistics(
                state.natural(SEEN + ".count", Long.MAX_VALUE),
                state.number(SEEN + ".mean"),
                state.number(SEEN + ".squares"));
        roundMetrics = new LinkedHashMap<>();
        for (Iterator<String> names = state.values().fieldNames(); names.hasNext(); ) {
            String name = names.next();
            if (name.startsWith(METRIC)) {
                roundMetrics.put(name.substring(METRIC.length()), state.number(name));
            }
        }
        guard.restore(state);
        algorithm.restore(state);
        log.keepBefore(round);
    }

    @Override
    public void close() {
        try {
            algorithm.afterStep();
            resources.close();
        } catch (RuntimeException e) {
            throw e;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
