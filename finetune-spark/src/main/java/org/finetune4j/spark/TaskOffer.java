package org.finetune4j.spark;

import java.util.List;

/**
 * What a task of the stage tells the others about its place.
 *
 * @param executor where it runs
 * @param address where it waits for a command
 * @param problem why no rank can run there, or empty
 */
record TaskOffer(String executor, Peer address, String problem) {

    private static final String BETWEEN = "\t";

    /** {@return all of it as one text} */
    String text() {
        return String.join(
                BETWEEN,
                executor,
                address.host(),
                String.valueOf(address.port()),
                address.secret(),
                problem.replace(BETWEEN, " "));
    }

    /** {@return what a task wrote by {@link #text}} */
    static TaskOffer parse(String text) {
        List<String> parts = List.of(text.split(BETWEEN, -1));
        Peer address = new Peer(parts.get(1), Integer.parseInt(parts.get(2)), parts.get(3));
        return new TaskOffer(parts.get(0), address, parts.get(4));
    }
}
