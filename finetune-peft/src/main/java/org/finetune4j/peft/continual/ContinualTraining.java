package org.finetune4j.peft.continual;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.finetune4j.AtomicFiles;
import org.finetune4j.UserErrorException;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.TrainingSeries;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AttachedStrategy;
import org.finetune4j.strategy.FineTuningStrategy;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.RunDirectory;
import org.finetune4j.train.TrainingResult;

/**
 * Learns tasks one after the other with one adapter and measures all of them after each.
 *
 * <pre>{@code
 * Optional<ScoreMatrix> scores = new ContinualTraining(
 *                 model, Lora.builder().rank(8).build(), new ContinualMethod.Ewc(100, 64), tasks, Path.of("out"))
 *         .run();
 * }</pre>
 *
 * <p>The same call, after a kill, goes on where it was, between tasks or inside of one, and ends in the same adapter.
 */
public final class ContinualTraining extends TrainingSeries<ContinualTraining> {

    private final CausalLM model;
    private final FineTuningStrategy strategy;
    private final ContinualMethod method;
    private final List<ContinualTask> tasks;
    private String metric = "loss";
    private boolean lowerIsBetter = true;
    private long seed = 42;

    /**
     * A row of tasks.
     *
     * @param model that learns; stays the caller's
     * @param strategy makes the adapter
     * @param method how forgetting is kept away
     * @param tasks in their order
     * @param directory where the last adapter, the scores and what the tasks leave go
     */
    public ContinualTraining(
            CausalLM model,
            FineTuningStrategy strategy,
            ContinualMethod method,
            List<ContinualTask> tasks,
            Path directory) {
        super(directory);
        this.model = model;
        this.strategy = strategy;
        this.method = method;
        this.tasks = List.copyOf(tasks);
    }

    /**
     * What tasks are scored by; the loss when nothing is set.
     *
     * @param name of a metric that the tasks' evaluations measure
     * @param lower whether less of it is better
     * @return this
     */
    public ContinualTraining metric(String name, boolean lower) {
        metric = name;
        lowerIsBetter = lower;
        return this;
    }

    /**
     * What decides the samples that replay keeps and those that the Fisher information is measured on.
     *
     * @param value any number
     * @return this
     */
    public ContinualTraining seed(long value) {
        seed = value;
        return this;
    }

    /**
     * Learns what is not learned.
     *
     * @return the scores; empty when it was asked to stop before the end
     * @throws UserErrorException when a task cannot be trained, or the directory holds another row
     */
    public Optional<ScoreMatrix> run() {
        try (RunDirectory lock = RunDirectory.lock(directory())) {
            AtomicFiles.deleteAbandoned(directory());
            ScoreMatrix empty = new ScoreMatrix(
                    metric,
                    lowerIsBetter,
                    tasks.stream().map(ContinualTask::name).toList(),
                    List.of());
            ContinualJournal journal = ContinualJournal.open(directory(), identity(), empty);
            if (journal.matrix().rows().isEmpty()) {
                journal.add(scores(AttachedStrategy.none()));
            }
            for (int i = journal.matrix().rows().size() - 1; i < tasks.size(); i++) {
                if (isStopRequested() || !learn(i, journal)) {
                    return Optional.empty();
                }
            }
            return Optional.of(journal.matrix());
        } finally {
            ended();
        }
    }

    private Path runOf(int number) {
        return directory().resolve(number + 1 + "-" + tasks.get(number).name());
    }

    /** What a task leaves for those after it. */
    private Path leftBy(int number) {
        return runOf(number).resolve("adapter");
    }

    private boolean learn(int number, ContinualJournal journal) {
        ContinualTask task = tasks.get(number);
        List<Path> earlier = new ArrayList<>();
        for (int i = 0; i < number; i++) {
            earlier.add(leftBy(i));
        }
        Path own = runOf(number);
        FineTuner tuner = task.trainings()
                .tuner(own, RunDirectory.holdsCheckpoint(own))
                .strategy(new StageStrategy(strategy, method, earlier))
                .dataset(samples(number));
        try (TrainingResult result = train(tuner)) {
            if (result.summary().interrupted()) {
                return false;
            }
            leave(number, result.adapter());
            List<Double> scores = scores(result.strategy());
            if (number == tasks.size() - 1) {
                complete(result);
            }
            journal.add(scores);
            tell("learned " + task.name() + ": " + metric + " of all tasks " + scores);
            return true;
        }
    }

    private TrainingDataset samples(int number) {
        ContinualTask task = tasks.get(number);
        if (!(method instanceof ContinualMethod.Replay replay) || number == 0) {
            return task.train();
        }
        ReplayBuffer kept = ReplayBuffer.read(leftBy(number - 1).resolve(ReplayBuffer.NAME), replay.bytes());
        return new ReplayedSamples(task.train(), kept.samples(), replay.share());
    }

    private void leave(int number, Adapter adapter) {
        ContinualTask task = tasks.get(number);
        AtomicFiles.writeDirectory(leftBy(number), partial -> {
            adapter.save(partial);
            if (method instanceof ContinualMethod.Ewc ewc) {
                try (Anchor fisher = FisherDiagonal.of(model, adapter, task.train(), ewc.samples(), seed)) {
                    fisher.write(partial.resolve(StageStrategy.FISHER));
                }
            }
            if (method instanceof ContinualMethod.Replay replay) {
                ReplayBuffer buffer = number == 0
                        ? new ReplayBuffer(replay.bytes())
                        : ReplayBuffer.read(leftBy(number - 1).resolve(ReplayBuffer.NAME), replay.bytes());
                buffer.add(task.name(), task.train(), seed);
                buffer.write(partial.resolve(ReplayBuffer.NAME));
            }
        });
    }

    /** One score a task. */
    private List<Double> scores(AttachedStrategy attached) {
        List<Double> scores = new ArrayList<>();
        for (int i = 0; i < tasks.size(); i++) {
            scores.add(tasks.get(i)
                    .trainings()
                    .tuner(runOf(i), false)
                    .evaluate(attached)
                    .metric(metric));
        }
        return scores;
    }
}
