package org.finetune4j.data.mixture;

import java.util.HashSet;
import java.util.Set;

/** Runs of words as 64-bit hashes. Two different runs share a hash once in 2^64 pairs. */
final class Shingles {

    private static final long PRIME = 0x100000001B3L;
    private static final long OFFSET = 0xCBF29CE484222325L;

    private Shingles() {}

    /** Hashes of all runs of {@code size} words; of a shorter text one hash of the whole; of an empty one none. */
    static Set<Long> of(String[] words, int size) {
        Set<Long> hashes = new HashSet<>();
        if (words.length == 0) {
            return hashes;
        }
        int runs = Math.max(1, words.length - size + 1);
        for (int start = 0; start < runs; start++) {
            hashes.add(hash(words, start, Math.min(words.length, start + size)));
        }
        return hashes;
    }

    /** FNV-1a over the characters, mixed so that every bit counts. */
    private static long hash(String[] words, int from, int to) {
        long hash = OFFSET;
        for (int i = from; i < to; i++) {
            for (int c = 0; c < words[i].length(); c++) {
                hash = (hash ^ words[i].charAt(c)) * PRIME;
            }
            hash = (hash ^ ' ') * PRIME;
        }
        return mix(hash);
    }

    /** The output function of SplitMix64: a permutation of all 64-bit numbers. */
    static long mix(long value) {
        long z = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
