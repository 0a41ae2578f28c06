package org.finetune4j.data;

/**
 * Permutations that depend on nothing but their arguments: a run that is resumed years later, on another JVM, sees its
 * data in the same order. {@code java.util.Random} and {@code SplittableRandom} promise less.
 *
 * <p>Algorithm: Fisher-Yates from the last element down, drawing from SplitMix64 (Steele, Lea and Flood, "Fast
 * splittable pseudorandom number generators", OOPSLA 2014) whose state starts at {@code mix(mix(seed) + stream)}, where
 * {@code mix} is SplitMix64's output function. A number below {@code bound} is the remainder of a draw without its sign
 * bit; draws above the largest multiple of {@code bound} are repeated, so that all permutations are equally likely.
 */
public final class SeededShuffle {

    private static final long GOLDEN_GAMMA = 0x9E3779B97F4A7C15L;

    private long state;

    private SeededShuffle(long seed, long stream) {
        this.state = mix(mix(seed) + stream);
    }

    /**
     * A permutation of {@code 0 .. size - 1}; other streams of the same seed give unrelated ones.
     *
     * @param size how many numbers
     * @param seed the run's seed
     * @param stream tells what the numbers are for, such as the number of an epoch
     * @return each number once
     */
    public static int[] permutation(int size, long seed, long stream) {
        SeededShuffle random = new SeededShuffle(seed, stream);
        int[] order = new int[size];
        for (int i = 0; i < size; i++) {
            order[i] = i;
        }
        for (int last = size - 1; last > 0; last--) {
            int chosen = random.nextBelow(last + 1);
            int swap = order[last];
            order[last] = order[chosen];
            order[chosen] = swap;
        }
        return order;
    }

    /**
     * One random number that depends on nothing but the arguments.
     *
     * @param seed the run's seed
     * @param stream tells what the numbers are for, such as the number of an epoch
     * @return any 64 bits
     */
    public static long draw(long seed, long stream) {
        return new SeededShuffle(seed, stream).nextLong();
    }

    private int nextBelow(int bound) {
        while (true) {
            long draw = nextLong() >>> 1;
            long remainder = draw % bound;
            // Overflows exactly when the draw is above the largest multiple of bound.
            if (draw - remainder + (bound - 1) >= 0) {
                return (int) remainder;
            }
        }
    }

    private long nextLong() {
        state += GOLDEN_GAMMA;
        return mix(state);
    }

    private static long mix(long value) {
        long z = value;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }
}
