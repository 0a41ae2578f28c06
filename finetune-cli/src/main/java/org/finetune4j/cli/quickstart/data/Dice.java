package org.finetune4j.cli.quickstart.data;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * Seeded choices. {@link Random} is used because its algorithm is part of its contract, so a seed means the same text
 * on every JVM.
 */
final class Dice {

    private final Random random;

    Dice(long seed) {
        this.random = new Random(seed);
    }

    /** One element, each equally likely. */
    <T> T pick(List<T> from) {
        return from.get(random.nextInt(from.size()));
    }

    /** {@code count} different elements in random order. */
    <T> List<T> sample(List<T> from, int count) {
        return shuffled(from).subList(0, count);
    }

    <T> List<T> shuffled(List<T> from) {
        List<T> copy = new ArrayList<>(from);
        Collections.shuffle(copy, random);
        return copy;
    }

    /** A whole number from {@code low} to {@code high}, both included. */
    int between(int low, int high) {
        return low + random.nextInt(high - low + 1);
    }
}
