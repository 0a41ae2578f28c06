package org.finetune4j.train.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class SeriesTest {

    @Test
    void downsamplingKeepsEverySpikeAndBothEnds() {
        double[] values = new double[100_000];
        Arrays.setAll(values, i -> Math.sin(i * 0.001));
        values[12_345] = 50;
        values[77_777] = -50;

        Series small = series(values).downsampled(500);

        assertTrue(small.size() <= 2500, "size " + small.size());
        assertEquals(50, small.max());
        assertEquals(-50, small.min());
        assertEquals(0, small.x()[0]);
        assertEquals(99_999, small.x()[small.size() - 1]);
    }

    @Property(tries = 100)
    void downsamplingKeepsRangeAndOrder(
            @ForAll @Size(min = 1, max = 300) List<@DoubleRange(min = -9, max = 9) Double> y) {
        Series series = series(y.stream().mapToDouble(Double::doubleValue).toArray());

        Series small = series.downsampled(7);

        assertEquals(series.min(), small.min());
        assertEquals(series.max(), small.max());
        assertTrue(IntStream.range(1, small.size()).allMatch(i -> small.x()[i - 1] < small.x()[i]));
    }

    @Test
    void aShortSeriesStaysAsItIs() {
        Series series = series(1, 2, 3);

        assertSame(series, series.downsampled(500));
    }

    @Test
    void valuesThatAreNotFiniteAreGapsAndStayVisibleAsSuchAfterDownsampling() {
        double[] values = new double[10_000];
        Arrays.fill(values, 1);
        values[5_000] = Double.NaN;
        values[6_000] = Double.NEGATIVE_INFINITY;

        Series series = series(values);

        assertEquals(2, series.gaps());
        assertEquals(2, series.downsampled(500).gaps());
        assertEquals(1, series.min());
    }

    @Test
    void anEmptySeriesHasNoRange() {
        assertTrue(Double.isNaN(series().min()));
        assertTrue(Double.isNaN(series(Double.NaN).max()));
    }

    @Test
    void smoothingKeepsAConstantAndAStraightLineAndItsGaps() {
        assertArrayEquals(
                new double[] {3, 3, 3, 3}, series(3, 3, 3, 3).smoothed(10).y(), 1e-12);
        double[] line = IntStream.range(0, 2001).asDoubleStream().toArray();
        assertEquals(1000, series(line).smoothed(20).y()[1000], 1e-6, "no lag in the middle");
        assertTrue(Double.isNaN(series(1, Double.NaN, 1).smoothed(3).y()[1]));
    }

    private static Series series(double... y) {
        List<Integer> indices = IntStream.range(0, y.length).boxed().toList();
        return Series.of(indices, i -> i, i -> y[i]);
    }
}
