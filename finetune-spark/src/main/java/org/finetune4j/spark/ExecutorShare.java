package org.finetune4j.spark;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The ranks of one executor, which mpirun takes for a host of its own: they are started by the executor's process, and so stay within what
 * the cluster has given to it.
 *
 * @param name as mpirun knows it
 * @param address where the executor's first task waits for a command
 * @param slots how many tasks of the stage it has
 */
record ExecutorShare(String name, Peer address, int slots) {

    /**
     * Puts tasks of one executor together.
     *
     * @param offers of all tasks, in their order
     * @return executors in the order of their first tasks
     */
    static List<ExecutorShare> of(List<TaskOffer> offers) {
        Map<String, ExecutorShare> shares = new LinkedHashMap<>();
        for (TaskOffer offer : offers) {
            shares.merge(
                    offer.executor(),
                    new ExecutorShare("executor-" + offer.executor(), offer.address(), 1),
                    (first, next) -> new ExecutorShare(first.name(), first.address(), first.slots() + 1));
        }
        return new ArrayList<>(shares.values());
    }
}
