package org.finetune4j.spark;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.finetune4j.FinetuneException;
import org.finetune4j.Suggestions;
import org.finetune4j.UserErrorException;

/**
 * {@link SparkTraining} for {@code spark-submit}, with the words of {@code ./finetune launch}: {@code --nproc N [--mesh dp=2,tp=2] [--timeout
 * SECONDS] train CONFIG.yaml [key=value ...]}. Ends with 2 when what was asked for is wrong, 1 when the training failed.
 */
public final class SparkLaunch {

    private static final int USAGE = 2;
    private static final int FAILURE = 1;
    private static final List<String> OPTIONS = List.of("--nproc", "--mesh", "--timeout");
    private static final String USE =
            "expected --nproc N [--mesh dp=2,tp=2] [--timeout SECONDS] train CONFIG.yaml [key=value ...]";

    private SparkLaunch() {}

    /**
     * Trains.
     *
     * @param args see above
     */
    public static void main(String[] args) {
        int exitCode = run(args);
        // A driver in the cluster that ended well must come back; in local mode Spark 3.5 leaves a thread that never
        // ends.
        if (exitCode != 0 || System.getProperty("spark.master", "").startsWith("local")) {
            System.exit(exitCode);
        }
    }

    /** Trains, and gives the exit code. */
    static int run(String... args) {
        try {
            train(new ArrayDeque<>(List.of(args)));
            return 0;
        } catch (FinetuneException e) {
            System.err.println("error: " + e.getMessage());
            return e instanceof UserErrorException ? USAGE : FAILURE;
        }
    }

    private static void train(Deque<String> words) {
        int ranks = 0;
        String mesh = "";
        int seconds = 0;
        while (!words.isEmpty() && words.element().startsWith("-")) {
            String option = words.remove();
            if (!OPTIONS.contains(option)) {
                throw new UserErrorException(
                        "unknown option '" + option + "'" + Suggestions.among(option, OPTIONS) + ": " + USE);
            }
            String value = words.isEmpty() ? "" : words.remove();
            switch (option) {
                case "--nproc" -> ranks = number(option, value);
                case "--mesh" -> mesh = value;
                default -> seconds = number(option, value);
            }
        }
        if (ranks == 0 || !"train".equals(words.poll()) || words.isEmpty()) {
            throw new UserErrorException(USE);
        }
        Path config = Path.of(words.remove());
        SparkConf conf = new SparkConf().setIfMissing("spark.app.name", "finetune " + config);
        if (!conf.contains("spark.master")) {
            throw new UserErrorException("no spark.master is set: start this by spark-submit");
        }
        SparkContext context = new SparkContext(conf);
        try {
            SparkTraining training = new SparkTraining(context).ranks(ranks);
            if (!mesh.isEmpty()) {
                training.mesh(mesh);
            }
            if (seconds > 0) {
                training.timeout(Duration.ofSeconds(seconds));
            }
            training.train(config, words.toArray(String[]::new));
        } finally {
            context.stop();
        }
    }

    private static int number(String option, String value) {
        if (!value.matches("[1-9]\\d{0,8}")) {
            throw new UserErrorException(option + " is '" + value + "', expected a whole number of 1 at least");
        }
        return Integer.parseInt(value);
    }
}
