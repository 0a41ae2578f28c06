package org.finetune4j.generate;

import java.util.List;

/**
 * Lets text through up to the first stop string. Text that may be the beginning of a stop string is held back until it is
 * clear whether it is one: a reader never sees part of a stop string, also when several tokens make it.
 */
final class StopStringFilter {

    private final List<String> stops;
    private String held = "";
    private boolean stopped;

    StopStringFilter(List<String> stops) {
        this.stops = stops;
    }

    /** Takes the next piece of text and gives what is certain to belong to the result. */
    String push(String piece) {
        if (stopped) {
            return "";
        }
        String text = held + piece;
        int end = firstStop(text);
        if (end >= 0) {
            stopped = true;
            held = "";
            return text.substring(0, end);
        }
        int safe = text.length() - longestBeginning(text);
        held = text.substring(safe);
        return text.substring(0, safe);
    }

    /** What was held back, when the text ends without the stop string it could have become. */
    String finish() {
        String rest = held;
        held = "";
        return rest;
    }

    boolean isStopped() {
        return stopped;
    }

    private int firstStop(String text) {
        int first = -1;
        for (String stop : stops) {
            int at = text.indexOf(stop);
            if (at >= 0 && (first < 0 || at < first)) {
                first = at;
            }
        }
        return first;
    }

    /** The length of the longest end of the text that a stop string begins with. */
    private int longestBeginning(String text) {
        int longest = 0;
        for (String stop : stops) {
            int most = Math.min(stop.length() - 1, text.length());
            for (int length = most; length > longest; length--) {
                if (text.regionMatches(text.length() - length, stop, 0, length)) {
                    longest = length;
                }
            }
        }
        return longest;
    }
}
