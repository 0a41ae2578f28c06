package org.finetune4j.rlhf.rewards;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.finetune4j.AtomicFiles;
import org.finetune4j.FinetuneException;

/**
 * Scores an answer by a program of its own process, in an empty directory and for a time at most: 1 where it exits with 0, 0 where
 * it does not or its time is over. Several run at once. What an answer makes a program do is done with the rights of whoever
 * trains: run such trainings where that is harmless.
 */
abstract class ProgramReward implements RewardSource {

    private final String name;
    private final Duration limit;
    private final ExecutorService workers;

    ProgramReward(String name, Duration limit) {
        this.name = name;
        this.limit = limit;
        this.workers =
                Executors.newFixedThreadPool(Math.max(1, Runtime.getRuntime().availableProcessors()), work -> {
                    Thread thread = new Thread(work, "finetune4j-reward");
                    thread.setDaemon(true);
                    return thread;
                });
    }

    /** A program and what it reads. */
    record Invocation(List<String> command, byte[] input) {}

    /** What is run for an answer, with its files in {@code directory}. */
    abstract Invocation invocation(RewardRequest request, Path directory);

    @Override
    public String name() {
        return name;
    }

    @Override
    public double[] scores(List<RewardRequest> requests) {
        List<Future<Double>> pending = new ArrayList<>();
        requests.forEach(request -> pending.add(workers.submit(() -> score(request))));
        double[] scores = new double[pending.size()];
        try {
            for (int i = 0; i < scores.length; i++) {
                scores[i] = pending.get(i).get();
            }
            return scores;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException known) {
                throw known;
            }
            throw new FinetuneException("reward '" + name + "' failed", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new FinetuneException("interrupted while programs scored answers", e);
        } finally {
            pending.forEach(future -> future.cancel(true));
        }
    }

    private double score(RewardRequest request) {
        Path directory = AtomicFiles.temporaryDirectory("reward");
        try {
            Invocation invocation = invocation(request, directory);
            TimedProcess.Outcome outcome = TimedProcess.run(invocation.command(), directory, invocation.input(), limit);
            return outcome.exitCode().filter(code -> code == 0).isPresent() ? 1 : 0;
        } finally {
            AtomicFiles.deleteTemporary(directory);
        }
    }

    @Override
    public void close() {
        workers.shutdownNow();
    }
}
