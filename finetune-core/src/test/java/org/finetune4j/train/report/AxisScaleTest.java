package org.finetune4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import org.junit.jupiter.api.Test;

class AxisScaleTest {

    @Test
    void marksAreRoundNumbersAroundTheRange() {
        assertEquals(
                List.of(0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
                AxisScale.around(0.4, 4.3, 5).ticks());
        assertEquals(
                List.of(95.0, 100.0, 105.0, 110.0), AxisScale.around(97, 109, 3).ticks());
    }

    @Test
    void oneValueGetsAnAxisFromZero() {
        assertEquals(0, AxisScale.around(2.5, 2.5, 5).min());
        assertEquals(2.5, AxisScale.around(2.5, 2.5, 5).max());
        assertEquals(-2.5, AxisScale.around(-2.5, -2.5, 5).min());
        assertEquals(1, AxisScale.around(1, Math.nextUp(1.0), 5).fraction(1), 1e-12);
    }

    @Test
    void noValueAndZeroGetAnAxisToOne() {
        assertEquals(1, AxisScale.around(Double.NaN, Double.NaN, 5).max());
        assertEquals(1, AxisScale.around(0, 0, 5).max());
    }

    @Test
    void stepsAreMarkedAtWholeNumbersUpToTheLast() {
        assertEquals(List.of(0.0, 1.0), AxisScale.steps(1, 6).ticks());
        assertEquals(List.of(0.0, 50.0, 100.0, 150.0), AxisScale.steps(160, 6).ticks());
        assertEquals(160, AxisScale.steps(160, 6).max());
    }

    @Property
    void everyAxisHoldsItsRangeWithFewMarks(
            @ForAll @DoubleRange(min = -1e290, max = 1e290) double a,
            @ForAll @DoubleRange(min = -1e290, max = 1e290) double b) {
        AxisScale scale = AxisScale.around(Math.min(a, b), Math.max(a, b), 5);

        assertTrue(scale.fraction(a) >= -1e-6 && scale.fraction(a) <= 1 + 1e-6);
        assertTrue(scale.fraction(b) >= -1e-6 && scale.fraction(b) <= 1 + 1e-6);
        assertTrue(scale.ticks().size() >= 2 && scale.ticks().size() <= 8, scale.toString());
    }
}
