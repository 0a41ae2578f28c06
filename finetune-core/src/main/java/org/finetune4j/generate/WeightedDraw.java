package org.finetune4j.generate;

import java.util.SplittableRandom;

/**
 * Draws an index by its weight, so that weights which differ by rounding draw the same one nearly always. One random number that is
 * looked up among running sums would not do: over a vocabulary whose tokens are all about as likely there are tens of thousands of
 * borders, each of which rounding moves by what it moves all weights before. Here a range is halved until one index is left, each time
 * by a random number of its own: there are as many borders as halvings, each moved by what rounding moves half of a range against
 * the other.
 */
final class WeightedDraw {

    private WeightedDraw() {}

    /**
     * An index, each as often as its weight is of all weights.
     *
     * @param weights not below 0, some above
     * @param from the first index
     * @param to behind the last one
     */
    static int draw(float[] weights, int from, int to, SplittableRandom random) {
        int first = from;
        int end = to;
        while (end - first > 1) {
            int middle = (first + end) >>> 1;
            double left = sum(weights, first, middle);
            double right = sum(weights, middle, end);
            if (random.nextDouble() * (left + right) < left) {
                end = middle;
            } else {
                first = middle;
            }
        }
        return first;
    }

    /** In four parts, which do not wait for each other. */
    private static double sum(float[] weights, int from, int to) {
        double a = 0;
        double b = 0;
        double c = 0;
        double d = 0;
        int i = from;
        for (; i + 3 < to; i += 4) {
            a += weights[i];
            b += weights[i + 1];
            c += weights[i + 2];
            d += weights[i + 3];
        }
        for (; i < to; i++) {
            a += weights[i];
        }
        return a + b + (c + d);
    }
}
