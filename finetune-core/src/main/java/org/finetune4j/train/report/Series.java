package org.finetune4j.train.report;

import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * The points of one curve, in the order of their x. A y that is not finite stands for a gap. The arrays are shared, not
 * copied: nobody writes to them.
 */
record Series(double[] x, double[] y) {

    /** Beyond this, sums and differences of two values could overflow. */
    private static final double LARGEST = 1e300;

    static <T> Series of(List<T> items, ToDoubleFunction<T> x, ToDoubleFunction<T> y) {
        return new Series(
                items.stream().mapToDouble(x).toArray(),
                items.stream().mapToDouble(y).map(Series::finiteOrGap).toArray());
    }

    int size() {
        return x.length;
    }

    boolean hasPoint(int index) {
        return !Double.isNaN(y[index]);
    }

    /** Number of gaps. */
    long gaps() {
        return Arrays.stream(y).filter(Double::isNaN).count();
    }

    /** Smallest y; NaN when there is no point. */
    double min() {
        return Arrays.stream(y).filter(value -> !Double.isNaN(value)).min().orElse(Double.NaN);
    }

    /** Largest y; NaN when there is no point. */
    double max() {
        return Arrays.stream(y).filter(value -> !Double.isNaN(value)).max().orElse(Double.NaN);
    }

    /**
     * At most about {@code 4 * buckets} points that draw the same picture: of each bucket of neighbours the first, the
     * smallest, the largest and the last point, so that no spike is lost, and one gap if it has any.
     */
    Series downsampled(int buckets) {
        if (size() <= 4 * buckets) {
            return this;
        }
        int[] kept = new int[5 * buckets];
        int count = 0;
        for (int bucket = 0; bucket < buckets; bucket++) {
            int from = (int) ((long) size() * bucket / buckets);
            int to = (int) ((long) size() * (bucket + 1) / buckets);
            int[] indices = landmarks(from, to);
            System.arraycopy(indices, 0, kept, count, indices.length);
            count += indices.length;
        }
        int[] indices = Arrays.copyOf(kept, count);
        return new Series(
                Arrays.stream(indices).mapToDouble(i -> x[i]).toArray(),
                Arrays.stream(indices).mapToDouble(i -> y[i]).toArray());
    }

    /**
     * Mean of two exponential moving averages over about {@code window} points, one from either end, so that the smooth
     * curve does not lag behind. Gaps stay gaps.
     */
    Series smoothed(double window) {
        double decay = window <= 1 ? 0 : 1 - 1 / window;
        double[] smooth = new double[size()];
        addHalfAverage(smooth, decay, 0, 1);
        addHalfAverage(smooth, decay, size() - 1, -1);
        return new Series(x, smooth);
    }

    private void addHalfAverage(double[] smooth, double decay, int from, int direction) {
        double sum = 0;
        double weight = 0; // of all values so far; dividing by it corrects for the start at zero
        for (int i = from; i >= 0 && i < size(); i += direction) {
            if (hasPoint(i)) {
                sum = decay * sum + (1 - decay) * y[i];
                weight = decay * weight + (1 - decay);
                smooth[i] += 0.5 * sum / weight;
            } else {
                smooth[i] = Double.NaN;
            }
        }
    }

    private int[] landmarks(int from, int to) {
        int first = -1;
        int last = -1;
        int smallest = -1;
        int largest = -1;
        int gap = -1;
        for (int i = from; i < to; i++) {
            if (!hasPoint(i)) {
                gap = i;
                continue;
            }
            first = first < 0 ? i : first;
            last = i;
            smallest = smallest < 0 || y[i] < y[smallest] ? i : smallest;
            largest = largest < 0 || y[i] > y[largest] ? i : largest;
        }
        return Arrays.stream(new int[] {first, smallest, largest, last, gap})
                .filter(index -> index >= 0)
                .sorted()
                .distinct()
                .toArray();
    }

    private static double finiteOrGap(double value) {
        return Math.abs(value) <= LARGEST ? value : Double.NaN;
    }
}
