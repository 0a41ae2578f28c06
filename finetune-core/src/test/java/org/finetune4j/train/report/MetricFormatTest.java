package org.finetune4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.Locale;
import org.junit.jupiter.api.Test;

class MetricFormatTest {

    @Test
    void numbersAreTheSameInEveryLocale() {
        Locale original = Locale.getDefault();
        Locale.setDefault(Locale.GERMANY);
        try {
            assertEquals("1.2346", MetricFormat.decimal(1.23456));
            assertEquals("2.00e-04", MetricFormat.learningRate(2e-4));
            assertEquals("1,234,568", MetricFormat.count(1234567.8));
            assertEquals("12.3 %", MetricFormat.percent(0.1234));
        } finally {
            Locale.setDefault(original);
        }
    }

    @Test
    void whatIsNotFiniteIsSaidSo() {
        assertEquals("NaN", MetricFormat.decimal(Double.NaN));
        assertEquals("Infinity", MetricFormat.count(Double.POSITIVE_INFINITY));
        assertEquals("NaN", MetricFormat.tick(Double.NaN));
    }

    @Test
    void magnitudesHaveOneUnit() {
        assertEquals("999", MetricFormat.magnitude(999));
        assertEquals("1.2 K", MetricFormat.magnitude(1_234));
        assertEquals("1.0 M", MetricFormat.magnitude(999_999));
        assertEquals("134.5 M", MetricFormat.magnitude(134_515_008));
        assertEquals("70.6 B", MetricFormat.magnitude(70_553_706_496L));
    }

    @Test
    void durationsCountHoursOnlyWhenThereAreAny() {
        assertEquals("0:07", MetricFormat.duration(Duration.ofMillis(6_500)));
        assertEquals("59:59", MetricFormat.duration(Duration.ofSeconds(3599)));
        assertEquals("1:00:00", MetricFormat.duration(Duration.ofSeconds(3600)));
        assertEquals("1 h 05 min", MetricFormat.durationInWords(Duration.ofSeconds(3900)));
        assertEquals("2 min 34 s", MetricFormat.durationInWords(Duration.ofSeconds(154)));
    }

    @Test
    void marksOfOneAxisAreAllPlainOrAllWithExponent() {
        assertEquals("1.5e-4", MetricFormat.tick(1.5e-4, 2e-4));
        assertEquals("1e-3", MetricFormat.tick(1e-3, 1e-3));
        assertEquals("0.002", MetricFormat.tick(0.002, 0.01));
        assertEquals("4,250", MetricFormat.tick(4250, 5000));
        assertEquals("500", MetricFormat.tick(500, 5000));
        assertEquals("-2.5e12", MetricFormat.tick(-2.5e12));
        assertEquals("0.3", MetricFormat.tick(0.1 + 0.2));
    }
}
