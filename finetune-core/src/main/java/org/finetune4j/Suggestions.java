package org.finetune4j;

import java.util.Collection;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/** Finds the valid name a user probably meant. */
public final class Suggestions {

    /** Nobody misspells a longer name; comparing one that is megabytes long would take hours. */
    private static final int LONGEST = 300;

    private Suggestions() {}

    /**
     * The candidate with the smallest edit distance to {@code name} (case ignored), if it is close enough to be a likely
     * misspelling: at most a third of the longer name's length, and at least two edits are always allowed.
     *
     * @param name what was written
     * @param candidates what could have been
     * @return the nearest one, or empty
     */
    public static Optional<String> nearest(String name, Collection<String> candidates) {
        if (name.length() > LONGEST) {
            return Optional.empty();
        }
        String wanted = name.toLowerCase(Locale.ROOT);
        return candidates.stream()
                .filter(candidate -> {
                    int allowed = Math.max(2, Math.max(candidate.length(), name.length()) / 3);
                    return Math.abs(candidate.length() - name.length()) <= allowed
                            && editDistance(wanted, candidate.toLowerCase(Locale.ROOT)) <= allowed;
                })
                .min(Comparator.comparingInt(
                                (String candidate) -> editDistance(wanted, candidate.toLowerCase(Locale.ROOT)))
                        .thenComparing(Comparator.naturalOrder()));
    }

    /**
     * {@code "; did you mean 'x'?"} for the nearest candidate, or the empty string: ready to append to a message.
     *
     * @param name what was written
     * @param candidates what could have been
     * @return the end of a message
     */
    public static String didYouMean(String name, Collection<String> candidates) {
        return nearest(name, candidates)
                .map(nearest -> "; did you mean '" + nearest + "'?")
                .orElse("");
    }

    /**
     * All candidates and, last, the nearest one: {@code "; there are a, b; did you mean 'a'?"}, ready to append to a message.
     * Nothing may follow a question mark.
     *
     * @param name what was written
     * @param candidates what could have been
     * @return the end of a message
     */
    public static String among(String name, Collection<String> candidates) {
        return "; there are " + String.join(", ", candidates) + didYouMean(name, candidates);
    }

    /** Edits that cost one each: an insertion, a deletion, a substitution, two neighbours that change places. */
    static int editDistance(String a, String b) {
        int[][] distance = new int[a.length() + 1][b.length() + 1];
        for (int i = 0; i <= a.length(); i++) {
            distance[i][0] = i;
        }
        for (int j = 0; j <= b.length(); j++) {
            distance[0][j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            for (int j = 1; j <= b.length(); j++) {
                int substitution = distance[i - 1][j - 1] + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                distance[i][j] = Math.min(substitution, Math.min(distance[i - 1][j], distance[i][j - 1]) + 1);
                boolean swapped =
                        i > 1 && j > 1 && a.charAt(i - 1) == b.charAt(j - 2) && a.charAt(i - 2) == b.charAt(j - 1);
                if (swapped) {
                    distance[i][j] = Math.min(distance[i][j], distance[i - 2][j - 2] + 1);
                }
            }
        }
        return distance[a.length()][b.length()];
    }
}
