package org.finetune4j.generate;

import java.util.Arrays;

/** Arithmetic on the scores of a vocabulary. */
final class Scores {

    private Scores() {}

    static int argmax(float[] scores) {
        int best = 0;
        for (int i = 1; i < scores.length; i++) {
            if (scores[i] > scores[best]) {
                best = i;
            }
        }
        return best;
    }

    /** The logarithm of the sum of the exponentials. */
    static double logSumExp(float[] scores) {
        double largest = scores[argmax(scores)];
        double sum = 0;
        for (float score : scores) {
            if (score != Float.NEGATIVE_INFINITY) {
                sum += Math.exp(score - largest);
            }
        }
        return largest + Math.log(sum);
    }

    /** The indices of the finite scores not below {@code least}, the largest score first; of equal ones the lowest index. */
    static int[] descending(float[] scores, float least) {
        long[] keys = new long[scores.length];
        int count = 0;
        for (int i = 0; i < scores.length; i++) {
            if (scores[i] >= least && scores[i] != Float.NEGATIVE_INFINITY) {
                keys[count++] = (long) ~sortable(scores[i]) << 32 | i;
            }
        }
        Arrays.sort(keys, 0, count);
        int[] order = new int[count];
        for (int i = 0; i < count; i++) {
            order[i] = (int) keys[i];
        }
        return order;
    }

    /** An int that grows with the value. */
    private static int sortable(float value) {
        int bits = Float.floatToIntBits(value + 0.0f);
        return bits < 0 ? ~bits ^ Integer.MIN_VALUE : bits;
    }

    /** The indices of the {@code count} largest finite scores, the largest first. */
    static int[] top(float[] scores, int count) {
        if (count >= scores.length) {
            return descending(scores, Float.NEGATIVE_INFINITY);
        }
        int[] order = descending(scores, kthLargest(scores, count));
        return order.length > count ? Arrays.copyOf(order, count) : order;
    }

    /** The {@code k}th largest of the scores, by a heap of the k largest so far. */
    static float kthLargest(float[] scores, int k) {
        float[] heap = Arrays.copyOf(scores, k);
        for (int i = k / 2 - 1; i >= 0; i--) {
            sink(heap, i);
        }
        for (int i = k; i < scores.length; i++) {
            if (scores[i] > heap[0]) {
                heap[0] = scores[i];
                sink(heap, 0);
            }
        }
        return heap[0];
    }

    private static void sink(float[] heap, int start) {
        int at = start;
        while (2 * at + 1 < heap.length) {
            int child = 2 * at + 1;
            if (child + 1 < heap.length && heap[child + 1] < heap[child]) {
                child++;
            }
            if (heap[at] <= heap[child]) {
                return;
            }
            float moved = heap[at];
            heap[at] = heap[child];
            heap[child] = moved;
            at = child;
        }
    }
}
