package org.finetune4j.peft.auto;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.peft.TrainingSeries;
import org.finetune4j.peft.auto.Standing.RungScore;
import org.finetune4j.train.DivergedException;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.RunDirectory;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.memory.MemoryPlan;
import org.jspecify.annotations.Nullable;

/**
 * Chooses a method, its size, targets and learning rate by successive halving ({@link SuccessiveHalving}) on held-out loss,
 * and trains the winner to its end.
 *
 * <pre>{@code
 * SearchPlan plan = new SearchPlan(
 *         SearchSpace.standard().candidates(Map.of(), 42), SearchBudget.ofSteps(600), 3, 0);
 * Optional<SearchResult> found = new AutoPeft(plan, Path.of("out"), trial -> FineTuner.of(model)
 *                 .strategy(trial.candidate().strategy())
 *                 .dataset(train)
 *                 .evaluation(heldOut)
 *                 .arguments(trial.arguments(TrainingArguments.builder().batchSize(8)).build()))
 *         .run();
 * }</pre>
 *
 * <p>The winner's adapter lies in the directory, beside {@code auto.json} and {@code auto.html}. The same call, after a kill,
 * goes on where the search was and ends in the same files; so does one that was asked to stop.
 */
public final class AutoPeft extends TrainingSeries<AutoPeft> {

    private static final String TRIALS = "trials";

    private final SearchPlan plan;
    private final TrialFactory trials;

    /**
     * A search.
     *
     * @param plan what it does
     * @param directory where the winner's adapter, the report and what the search needs go
     * @param trials makes the trainings
     */
    public AutoPeft(SearchPlan plan, Path directory, TrialFactory trials) {
        super(directory);
        this.plan = plan;
        this.trials = trials;
    }

    /**
     * Searches, or goes on with a search.
     *
     * @return what it found; empty when it was asked to stop before its end
     * @throws UserErrorException when the budget is too small, no candidate can be trained, or the directory holds another
     *     search
     */
    public Optional<SearchResult> run() {
        try (RunDirectory lock = RunDirectory.lock(directory())) {
            AtomicFiles.deleteAbandoned(directory());
            SearchJournal journal = SearchJournal.open(directory(), identity());
            if (!journal.isBegun()) {
                AtomicFiles.deleteTree(directory().resolve(TRIALS));
                begin(journal);
            }
            for (int i = 0; i < journal.rungs().size() && !journal.isComplete(); i++) {
                if (isStopRequested() || !climb(journal, i)) {
                    return Optional.empty();
                }
            }
            AtomicFiles.deleteTree(directory().resolve(TRIALS));
            SearchReport.write(directory(), journal);
            return journal.winner().map(one -> new SearchResult(one, journal.standings(), journal.rungs()));
        } finally {
            ended();
        }
    }

    /** Puts the candidates on the model for once, makes steps of minutes, and plans the rungs. */
    private void begin(SearchJournal journal) {
        int wanted = plan.count() > 0
                ? plan.count()
                : plan.budget().steps() > 0
                        ? plan.trained(plan.candidates().size(), plan.budget().steps())
                        : SearchPlan.MOST;
        List<Standing> usable = new ArrayList<>();
        List<Standing> all = new ArrayList<>();
        for (Candidate candidate : plan.candidates()) {
            if (usable.size() == wanted) {
                break;
            }
            Standing standing = survey(candidate);
            all.add(standing);
            if (standing.isIn()) {
                usable.add(standing);
            } else {
                tell(candidate.name() + " " + standing.left());
            }
        }
        if (usable.isEmpty()) {
            throw new UserErrorException("no candidate can be trained; the first one: "
                    + (all.isEmpty() ? "there is none" : all.get(0).left()));
        }
        long steps = plan.budget().steps() > 0 ? plan.budget().steps() : stepsOfMinutes(usable);
        int count = plan.trained(usable.size(), steps);
        long least = SuccessiveHalving.leastBudget(count, plan.reduction());
        if (steps < least) {
            throw new UserErrorException("the budget is " + steps + " steps, and " + count
                    + " candidates need at least " + least + ": raise it, or try fewer candidates");
        }
        List<Standing> dropped = usable.subList(count, usable.size());
        all.removeAll(dropped);
        List<Rung> rungs = SuccessiveHalving.plan(count, plan.reduction(), steps);
        tell(count + " candidates on " + steps + " steps: " + Rung.describe(rungs));
        journal.begin(all, rungs);
    }

    private Standing survey(Candidate candidate) {
        try {
            MemoryPlan memory = tuner(candidate, 1).memoryPlan();
            return new Standing(candidate, memory.trainable(), memory.peak(), List.of(), null);
        } catch (UserErrorException e) {
            return new Standing(candidate, 0, 0, List.of(), "cannot be used: " + e.getMessage());
        }
    }

    /** Trains the first candidate for a few steps, which are thrown away, and counts what fits into the time. */
    private long stepsOfMinutes(List<Standing> usable) {
        Path aside = directory().resolve(TRIALS).resolve("measured");
        Stopwatch watch = new Stopwatch();
        long started = System.nanoTime();
        FineTuner tuner = trials.tuner(new Trial(usable.get(0).candidate(), aside, Stopwatch.STEPS, false));
        tuner.listener(watch);
        try (TrainingResult result = train(tuner)) {
            tuner.evaluate(result.strategy());
        }
        double visit = (System.nanoTime() - started) / 1e9;
        AtomicFiles.deleteTree(aside);
        double overhead = Math.max(0, visit - Stopwatch.STEPS * watch.secondsOfStep());
        double seconds = 60 * plan.budget().minutes();
        for (int count = plan.trained(usable.size(), Long.MAX_VALUE); count > 0; count--) {
            double left = seconds - visit - overhead * SuccessiveHalving.visits(count, plan.reduction());
            long steps = (long) (left / watch.secondsOfStep());
            boolean asked = plan.count() > 0 || count == 1;
            if (steps >= SuccessiveHalving.leastBudget(count, plan.reduction())
                    && (asked || plan.trained(count, steps) == count)) {
                return steps;
            }
            if (asked) {
                break;
            }
        }
        throw new UserErrorException(String.format(
                Locale.ROOT,
                "the budget is %s minutes, and a step takes %.2f seconds, a candidate's start %.1f: raise it, or try fewer"
                        + " candidates",
                plan.budget().minutes(),
                watch.secondsOfStep(),
                overhead));
    }

    private FineTuner tuner(Candidate candidate, long steps) {
        Path own = directory().resolve(TRIALS).resolve(candidate.name());
        return trials.tuner(new Trial(candidate, own, steps, RunDirectory.holdsCheckpoint(own)));
    }

    /** Trains all candidates that are left to the end of a rung and drops the worse ones; false when asked to stop. */
    private boolean climb(SearchJournal journal, int number) {
        Rung rung = journal.rungs().get(number);
        boolean last = number == journal.rungs().size() - 1;
        for (Standing standing : journal.in()) {
            if (standing.steps() < rung.steps() || last) {
                Standing reached = visit(standing, journal.rungs(), rung.steps(), last);
                if (reached == null) {
                    return false;
                }
                journal.put(reached);
            }
        }
        List<Standing> ranked = new ArrayList<>(journal.in());
        ranked.sort(Comparator.comparingDouble(one -> one.loss().orElseThrow()));
        if (ranked.isEmpty()) {
            String reason = journal.standings().stream()
                    .filter(one -> !one.scores().isEmpty() || one.trainable() > 0)
                    .reduce((first, second) -> second)
                    .map(one -> one.candidate().name() + " " + one.left())
                    .orElse("");
            throw new UserErrorException("no candidate is left; the last one: " + reason);
        }
        if (last) {
            journal.complete();
        } else {
            List<Standing> leaving = leaving(ranked, journal.rungs(), number);
            journal.putAll(leaving);
        }
        journal.standings().stream()
                .filter(one -> !one.isIn())
                .forEach(one -> AtomicFiles.deleteTree(
                        directory().resolve(TRIALS).resolve(one.candidate().name())));
        SearchReport.write(directory(), journal);
        tell(String.format(
                Locale.ROOT,
                "rung %d of %d, step %d: the best is %s, held-out loss %.4f",
                number + 1,
                journal.rungs().size(),
                rung.steps(),
                ranked.get(0).candidate().name(),
                ranked.get(0).loss().orElseThrow()));
        return true;
    }

    private static List<Standing> leaving(List<Standing> ranked, List<Rung> rungs, int number) {
        int kept = Math.min(ranked.size(), rungs.get(number + 1).candidates());
        List<Standing> leaving = new ArrayList<>();
        for (int i = kept; i < ranked.size(); i++) {
            leaving.add(ranked.get(i)
                    .left(String.format(
                            Locale.ROOT,
                            "after rung %d of %d: held-out loss %.4f at step %d is number %d of %d, and %d went on",
                            number + 1,
                            rungs.size(),
                            ranked.get(i).loss().orElseThrow(),
                            rungs.get(number).steps(),
                            i + 1,
                            ranked.size(),
                            kept)));
        }
        return leaving;
    }

    /** Trains one candidate to a step and measures it; null when asked to stop before. */
    private @Nullable Standing visit(Standing standing, List<Rung> rungs, long steps, boolean last) {
        long started = System.nanoTime();
        FineTuner tuner =
                tuner(standing.candidate(), rungs.get(rungs.size() - 1).steps());
        tuner.listener(new StopAtStep(tuner, steps));
        try (TrainingResult result = train(tuner)) {
            if (result.summary().steps() < steps) {
                return null;
            }
            double loss = tuner.evaluate(result.strategy()).loss();
            if (!Double.isFinite(loss)) {
                return standing.left("diverged: the held-out loss is " + loss + " at step " + steps);
            }
            if (last) {
                complete(result);
            }
            return standing.steps() == steps
                    ? standing
                    : standing.scored(new RungScore(steps, loss, (System.nanoTime() - started) / 1e9));
        } catch (DivergedException e) {
            return standing.left("diverged: " + e.getMessage());
        }
    }
}
