package org.finetune4j.spark;

import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.finetune4j.UserErrorException;
import org.jspecify.annotations.Nullable;

/** Whether an application can run as many tasks at the same time as a barrier stage has. */
final class BarrierSlots {

    private static final Pattern LOCAL = Pattern.compile("local(?:\\[\\s*(\\d+|\\*)\\s*(?:,\\s*\\d+\\s*)?\\])?");

    private BarrierSlots() {}

    /**
     * Refuses what Spark would refuse only after minutes of waiting for executors, where it is plain beforehand.
     *
     * @throws UserErrorException with the setting to change
     */
    static void require(SparkContext context, int ranks) {
        SparkConf conf = context.getConf();
        if (conf.getBoolean("spark.dynamicAllocation.enabled", false)) {
            throw new UserErrorException(
                    "spark.dynamicAllocation.enabled is true: a barrier stage needs executors that stay,"
                            + " set it to false and name their number (spark.executor.instances)");
        }
        Matcher local = LOCAL.matcher(context.master());
        if (local.matches()) {
            int cores = cores(local.group(1));
            int perTask = Math.max(1, conf.getInt("spark.task.cpus", 1));
            if (cores / perTask < ranks) {
                throw new UserErrorException("master " + context.master() + " has slots for " + cores / perTask
                        + " tasks of " + perTask + " cores, and " + ranks + " ranks need one each: use local["
                        + ranks * perTask + "] or fewer ranks");
            }
        }
    }

    private static int cores(@Nullable String threads) {
        if (threads == null) {
            return 1;
        }
        return threads.equals("*") ? Runtime.getRuntime().availableProcessors() : Integer.parseInt(threads);
    }
}
