package org.finetune4j.dist.communicator.watchdog;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * An operation that a rank waits in.
 *
 * @param group which group, by a name without blanks that all its ranks know it by
 * @param number of the operation in its group: all ranks count alike
 * @param members what the group's ranks are called in the world
 * @param seconds how long it has waited
 * @param isOver whether it waits no longer
 * @param what the operation
 */
public record WaitingRank(
        String group, long number, List<Integer> members, double seconds, boolean isOver, String what) {

    /** {@return this in one line} */
    String toLine() {
        return group + " " + number + " "
                + members.stream().map(String::valueOf).collect(Collectors.joining(",")) + " " + seconds + " " + isOver
                + " " + what;
    }

    /** {@return what such a line says} */
    static WaitingRank parse(String line) {
        String[] words = line.split(" ", 6);
        return new WaitingRank(
                words[0],
                Long.parseLong(words[1]),
                Arrays.stream(words[2].split(",")).map(Integer::valueOf).toList(),
                Double.parseDouble(words[3]),
                Boolean.parseBoolean(words[4]),
                words[5]);
    }
}
