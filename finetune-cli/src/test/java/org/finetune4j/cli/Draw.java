package org.finetune4j.cli;

import java.util.List;
import java.util.Random;

/** Draws of one case, which its seed decides. */
final class Draw {

    private final Random random;

    Draw(long seed) {
        this.random = new Random(seed * 0x9E3779B97F4A7C15L);
        random.nextLong();
    }

    /** True in this share of draws. */
    boolean chance(double share) {
        return random.nextDouble() < share;
    }

    /** A number from the first to the last. */
    int between(int first, int last) {
        return first + random.nextInt(last - first + 1);
    }

    /** One of these. */
    @SafeVarargs
    final <T> T of(T... choices) {
        return choices[random.nextInt(choices.length)];
    }

    /** One of these. */
    <T> T from(List<T> choices) {
        return choices.get(random.nextInt(choices.size()));
    }
}
