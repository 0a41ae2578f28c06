package org.finetune4j.rlhf.policy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class StatisticsTest {

    @Test
    void meanAndUnbiasedVariance() {
        Statistics numbers = Statistics.of(new double[] {1, 2, 3, 6});
        assertEquals(3, numbers.mean());
        assertEquals(14.0 / 3, numbers.variance(), 1e-12);
        assertEquals(Math.sqrt(14.0 / 3), numbers.deviation(), 1e-12);
        assertEquals(new Statistics(0, 0, 0), Statistics.of(new double[0]));
        assertEquals(0, Statistics.of(new double[] {5}).variance());
    }

    @Test
    void explainedIsWhatIsLeftOfTheSpread() {
        double[] actual = {1, 2, 3};
        assertEquals(1, Statistics.explainedVariance(actual, actual));
        assertEquals(0, Statistics.explainedVariance(actual, new double[] {7, 7, 7}), 1e-12);
        assertEquals(-3, Statistics.explainedVariance(actual, new double[] {3, 2, 1}), 1e-12);
    }

    /** Equal returns that ranks have rounded apart are equal all the same. */
    @Test
    void whereNothingVariesThereIsNothingToExplain() {
        for (double[] equal : new double[][] {{2, 2, 2}, {0, 0}, {1.5, (float) 1.5 + 1e-7, 1.5 - 1e-7}}) {
            assertTrue(Double.isNaN(Statistics.explainedVariance(equal, new double[equal.length])));
        }
    }
}
