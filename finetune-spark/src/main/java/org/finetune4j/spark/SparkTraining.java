package org.finetune4j.spark;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.finetune4j.FinetuneException;
import org.finetune4j.Reasons;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;
import scala.reflect.ClassTag;
import scala.reflect.ClassTag$;

/**
 * Trains with the executors of a Spark application: one barrier stage, in which every task holds the place of one rank. Ranks are
 * processes beside the executors, started by Open MPI's mpirun, which reaches the executors through their tasks and needs no ssh. The run
 * has the files of {@code ./finetune train}, in the same places; what the first rank says is in the driver's log. When a rank or an
 * executor dies Spark runs the stage again, {@code spark.stage.maxConsecutiveAttempts} times in all, each from the last whole checkpoint.
 *
 * <p>Executors share the directory of the output, and have configuration, model and data at the same paths; relative ones begin at the
 * driver's working directory.
 */
public final class SparkTraining {

    private static final int MOST_RANKS = 1 << 14;
    private static final long POLL_MILLISECONDS = 500;
    /** The number under which Spark reports it. */
    private static final String TOO_FEW_SLOTS = "SPARK-24819";

    private static final Pattern REASON =
            Pattern.compile("^" + Pattern.quote(FinetuneException.class.getName()) + ": (.*)$", Pattern.MULTILINE);

    private final SparkContext context;
    private int ranks = 1;
    private @Nullable String mesh;
    private Duration timeout = Duration.ofMinutes(10);

    /**
     * A training of one rank, unless more are asked for.
     *
     * @param context of the application; stays the caller's
     */
    public SparkTraining(SparkContext context) {
        this.context = context;
    }

    /**
     * How many ranks train.
     *
     * @param number of ranks, each in a task slot of its own ({@code spark.task.cpus} cores)
     * @return this
     */
    public SparkTraining ranks(int number) {
        this.ranks = number;
        return this;
    }

    /**
     * Sizes of the mesh's axes.
     *
     * @param sizes such as {@code dp=2,tp=2}
     * @return this
     */
    public SparkTraining mesh(String sizes) {
        this.mesh = sizes;
        return this;
    }

    /**
     * How long a rank waits for another before all end.
     *
     * @param patience ten minutes unless set
     * @return this
     */
    public SparkTraining timeout(Duration patience) {
        this.timeout = patience;
        return this;
    }

    /**
     * Trains, to the end.
     *
     * @param config the training's configuration, as {@code ./finetune train} reads it
     * @param overrides {@code key=value}, which go before those in the file
     * @throws UserErrorException when the configuration is wrong, mpirun is missing, or the application has too few slots
     * @throws FinetuneException when a rank died in every attempt; the message is the last one's reason
     */
    public void train(Path config, String... overrides) {
        if (ranks < 1 || ranks > MOST_RANKS) {
            throw new UserErrorException("ranks is " + ranks + ", expected 1 to " + MOST_RANKS);
        }
        if (timeout.toSeconds() < 1) {
            throw new UserErrorException("timeout is " + timeout.toSeconds() + " s, expected 1 at least");
        }
        BarrierSlots.require(context, ranks);
        try (DriverLog log = new DriverLog(context.getConf())) {
            TrainingTask task = new TrainingTask(
                    config.toAbsolutePath().toString(),
                    overrides,
                    mesh,
                    timeout.toSeconds(),
                    Path.of("").toAbsolutePath().toString(),
                    log.address());
            ClassTag<String> text = ClassTag$.MODULE$.apply(String.class);
            JavaRDD<Integer> places =
                    JavaSparkContext.fromSparkContext(context).parallelize(Collections.nCopies(ranks, 0), ranks);
            RDD<String> results = places.rdd().barrier().mapPartitions(task, false, text);
            // Spark runs a barrier stage again only where another stage follows.
            for (String problem : results(JavaRDD.fromRDD(results, text).repartition(1))) {
                if (!problem.isEmpty()) {
                    throw new UserErrorException(problem);
                }
            }
        } catch (IOException e) {
            throw new FinetuneException("the driver cannot listen to the ranks: " + Reasons.of(e), e);
        }
    }

    /** Spark forgets a stage that waits for executors when the application is stopped: the wait must see that itself. */
    private List<String> results(JavaRDD<String> stage) {
        JavaFutureAction<List<String>> job = stage.collectAsync();
        while (true) {
            try {
                return job.get(POLL_MILLISECONDS, TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                if (context.isStopped()) {
                    throw new FinetuneException("the Spark application was stopped before the ranks were done", e);
                }
            } catch (ExecutionException e) {
                throw failure(e.getCause() == null ? e : e.getCause());
            } catch (InterruptedException e) {
                job.cancel(true);
                Thread.currentThread().interrupt();
                throw new FinetuneException("interrupted while ranks were training", e);
            }
        }
    }

    /** Spark puts what a task threw into a message of many lines. */
    private FinetuneException failure(Throwable failure) {
        String message = String.valueOf(failure.getMessage());
        if (message.contains(TOO_FEW_SLOTS)) {
            return new UserErrorException(
                    "the application has fewer task slots than the " + ranks
                            + " ranks need at the same time: ask for more executors or cores (spark.executor.instances,"
                            + " spark.executor.cores, spark.cores.max), or use fewer ranks",
                    failure);
        }
        Matcher reason = REASON.matcher(message);
        return reason.find()
                ? new FinetuneException(reason.group(1), failure)
                : new FinetuneException("the barrier stage failed: " + Reasons.oneLine(message), failure);
    }
}
