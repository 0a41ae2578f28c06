package org.finetune4j.spark;

import java.io.File;
import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.BarrierTaskContext;
import org.apache.spark.SparkEnv;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.dist.launch.Mpirun;
import org.jspecify.annotations.Nullable;
import scala.Function1;
import scala.collection.Iterator;
import scala.collection.Iterator$;

/**
 * A task of the barrier stage: it holds the place of one rank, and until all ranks are done lets mpirun's daemon run on its executor. The
 * first task runs mpirun. What the user must change is the task's result, so that Spark does not try it again.
 *
 * @param config the configuration's file
 * @param overrides values that go before those in it
 * @param mesh sizes of the axes, or null
 * @param timeout seconds that a rank waits for another
 * @param directory where relative paths begin
 * @param driverLog where progress goes
 */
record TrainingTask(
        String config, String[] overrides, @Nullable String mesh, long timeout, String directory, Peer driverLog)
        implements Function1<Iterator<Integer>, Iterator<String>>, Serializable {

    private static final long serialVersionUID = 1L;

    @Override
    public Iterator<String> apply(Iterator<Integer> rows) {
        return Iterator$.MODULE$.single(run(BarrierTaskContext.get()));
    }

    private String run(BarrierTaskContext context) {
        String classPath = RankClassPath.find();
        Map<String, String> environment = environment(context, classPath);
        String executor = SparkEnv.get().executorId();
        String host = host(context);
        try (CommandServer server = new CommandServer(environment, workingDirectory())) {
            TaskOffer own = new TaskOffer(executor, server.address(host), problem(executor, host, classPath));
            List<TaskOffer> offers = Arrays.stream(context.allGather(own.text()))
                    .map(TaskOffer::parse)
                    .toList();
            List<ExecutorShare> shares = ExecutorShare.of(offers);
            if (shares.stream().noneMatch(share -> share.address().equals(own.address()))) {
                server.close(); // another task of this executor does it
            }
            String problem = context.partitionId() > 0 ? "" : first(context, offers, shares, environment);
            context.barrier();
            return problem;
        } catch (IOException e) {
            throw new FinetuneException("executor " + executor + " on " + host + ": " + Reasons.of(e), e);
        }
    }

    private String first(
            BarrierTaskContext context,
            List<TaskOffer> offers,
            List<ExecutorShare> shares,
            Map<String, String> environment)
            throws IOException {
        for (TaskOffer offer : offers) {
            if (!offer.problem().isEmpty()) {
                return offer.problem();
            }
        }
        return new RankStarter(this, shares, environment).run(context);
    }

    /** {@return where ranks begin: where the driver did, if this executor has that directory} */
    Path workingDirectory() {
        return Files.isDirectory(Path.of(directory))
                ? Path.of(directory)
                : Path.of("").toAbsolutePath();
    }

    private static String problem(String executor, String host, String classPath) {
        String place = "executor " + executor + " on " + host + ": ";
        if (!Mpirun.isInstalled()) {
            return place + "mpirun is not on the PATH, which starts the ranks: install openmpi-bin (apt-get install"
                    + " openmpi-bin) on every host";
        }
        return classPath.isEmpty()
                ? place + "finetune-cli is not among its jars: start the application with --packages"
                        + " org.finetune4j:finetune-spark:VERSION, which brings it"
                : "";
    }

    /** {@return this executor's host as Spark's own connections know it} */
    private static String host(BarrierTaskContext context) {
        String address = context.getTaskInfos()[context.partitionId()].address();
        return address.substring(0, address.lastIndexOf(':'));
    }

    /** {@return of ranks and daemons: this JVM, this executor's jars, as many threads as a task has cores} */
    private static Map<String, String> environment(BarrierTaskContext context, String classPath) {
        Map<String, String> environment = new HashMap<>();
        environment.put(
                "PATH",
                Path.of(System.getProperty("java.home"), "bin")
                        + File.pathSeparator
                        + System.getenv().getOrDefault("PATH", ""));
        environment.put("CLASSPATH", classPath);
        if (!System.getenv().containsKey("OMP_NUM_THREADS")) {
            environment.put("OMP_NUM_THREADS", String.valueOf(Math.max(1, context.cpus())));
        }
        return environment;
    }
}
