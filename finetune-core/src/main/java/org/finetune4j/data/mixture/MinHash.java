package org.finetune4j.data.mixture;

import java.util.Set;

/**
 * A short signature of a set from which the similarity of two sets can be estimated (Broder, 1997): the smallest value
 * of its members under each of many hash functions. The signature is cut into bands; sets that share a band are
 * candidates for being similar.
 */
record MinHash(int[] minima) {

    static final int BANDS = 16;
    private static final int ROWS = 6;
    private static final int FUNCTIONS = BANDS * ROWS;

    static MinHash of(Set<Long> members) {
        int[] minima = new int[FUNCTIONS];
        for (int function = 0; function < FUNCTIONS; function++) {
            long salt = Shingles.mix(function + 1L);
            long smallest = Long.MAX_VALUE;
            for (long member : members) {
                smallest = Math.min(smallest, Shingles.mix(member ^ salt));
            }
            minima[function] = Long.hashCode(smallest);
        }
        return new MinHash(minima);
    }

    long band(int band) {
        long hash = band;
        for (int row = 0; row < ROWS; row++) {
            hash = Shingles.mix(hash * 31 + minima[band * ROWS + row]);
        }
        return hash;
    }

    /** An estimate of the Jaccard similarity, right to about 0.05. */
    double similarity(MinHash other) {
        int equal = 0;
        for (int i = 0; i < FUNCTIONS; i++) {
            equal += minima[i] == other.minima[i] ? 1 : 0;
        }
        return (double) equal / FUNCTIONS;
    }
}
