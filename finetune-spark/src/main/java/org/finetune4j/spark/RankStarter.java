package org.finetune4j.spark;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.spark.BarrierTaskContext;
import org.finetune4j.AtomicFiles;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.dist.launch.Host;
import org.finetune4j.dist.launch.Mpirun;
import org.finetune4j.dist.launch.RankProgram;

/** Runs mpirun over the executors of a stage, from its first task. */
final class RankStarter {

    private static final long POLL_MILLISECONDS = 200;

    private final TrainingTask task;
    private final List<ExecutorShare> shares;
    private final Map<String, String> environment;

    RankStarter(TrainingTask task, List<ExecutorShare> shares, Map<String, String> environment) {
        this.task = task;
        this.shares = shares;
        this.environment = environment;
    }

    /**
     * Trains.
     *
     * @return what the user must change, or empty when all ranks are done
     * @throws FinetuneException when a rank died: Spark runs the stage again
     */
    String run(BarrierTaskContext context) throws IOException {
        boolean restarted = context.stageAttemptNumber() > 0;
        Path directory = AtomicFiles.temporaryDirectory("finetune4j-spark");
        try (PrintStream progress =
                new PrintStream(ProgressStream.to(task.driverLog()), true, StandardCharsets.UTF_8)) {
            if (restarted) {
                progress.println("attempt " + (context.stageAttemptNumber() + 1)
                        + " of the stage: from the last checkpoint, where there is one");
            }
            Mpirun mpirun = new Mpirun(command(restarted), progress, progress)
                    .environment(environment)
                    .environment(agent(directory))
                    .directory(task.workingDirectory());
            Mpirun.Outcome outcome = outcome(mpirun, context);
            if (outcome.exitCode() == 0) {
                return "";
            }
            // What has trained once is not the user's mistake when it fails later.
            if (outcome.isUserError() && !restarted) {
                return outcome.message();
            }
            progress.println("attempt " + (context.stageAttemptNumber() + 1) + " failed: " + outcome.message());
            throw new FinetuneException(outcome.message());
        } finally {
            AtomicFiles.deleteTemporary(directory);
        }
    }

    private Mpirun.Outcome outcome(Mpirun mpirun, BarrierTaskContext context) {
        List<Host> hosts = shares.stream()
                .map(share -> new Host(share.name(), share.slots()))
                .toList();
        int ranks = shares.stream().mapToInt(ExecutorShare::slots).sum();
        FutureTask<Mpirun.Outcome> run = new FutureTask<>(() -> mpirun.run(ranks, hosts));
        new Thread(run, "finetune4j-ranks").start();
        while (true) {
            try {
                return run.get(POLL_MILLISECONDS, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                if (context.isInterrupted()) {
                    mpirun.stop();
                }
            } catch (InterruptedException e) {
                mpirun.stop(); // and wait for its end, so that the next attempt meets none of its ranks
            } catch (ExecutionException e) {
                Throwable cause = e.getCause() == null ? e : e.getCause();
                throw new FinetuneException("mpirun could not be run: " + Reasons.of(cause), e);
            }
        }
    }

    private List<String> command(boolean restarted) {
        List<String> arguments = new ArrayList<>(List.of("--timeout", String.valueOf(task.timeout())));
        if (task.mesh() != null) {
            arguments.addAll(List.of("--mesh", task.mesh()));
        }
        if (restarted) {
            arguments.add("--restarted");
        }
        arguments.add(task.config());
        arguments.addAll(List.of(task.overrides()));
        return RankProgram.command(List.of("java"), arguments);
    }

    /** Has mpirun reach every executor through its task, and keeps its daemons the children of executors. */
    private Map<String, String> agent(Path directory) throws IOException {
        Path addresses = directory.resolve("executors");
        RemoteShell.write(addresses, shares);
        Path agent = directory.resolve("agent");
        Files.writeString(
                agent,
                "#!/bin/sh\nexec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 " + RemoteShell.class.getName() + " '"
                        + addresses + "' \"$@\"\n");
        if (!agent.toFile().setExecutable(true)) {
            throw new IOException(agent + " cannot be made executable");
        }
        Map<String, String> settings = new HashMap<>();
        settings.put("OMPI_MCA_plm", "rsh");
        settings.put("OMPI_MCA_plm_rsh_agent", agent.toString());
        settings.put("OMPI_MCA_plm_rsh_no_tree_spawn", "1");
        settings.put("OMPI_MCA_plm_rsh_num_concurrent", String.valueOf(shares.size() + 1));
        settings.put("OMPI_MCA_orte_leave_session_attached", "1");
        return settings;
    }
}
