package org.finetune4j.train.arguments;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class StepIntervalTest {

    /** The steps of a run of twelve, with epochs of five, after which it is time. */
    private static List<Long> due(StepInterval interval) {
        return LongStream.rangeClosed(1, 12)
                .filter(step -> interval.isDue(step, 12, step % 5 == 0))
                .boxed()
                .toList();
    }

    @ParameterizedTest
    @CsvSource({"1, 12", "2, 6", "5, 2", "13, 0", "0.25, 4", "0.3, 3", "0.01, 12", "0, 2", "Infinity, 0"})
    void itIsTimeAsOftenAsAsked(double steps, int times) {
        assertEquals(times, due(new StepInterval(steps)).size());
    }

    @Test
    void anIntervalOfStepsDoesNotLookAtEpochs() {
        assertEquals(List.of(4L, 8L, 12L), due(StepInterval.every(4)));
        assertEquals(List.of(5L, 10L), due(StepInterval.EPOCH));
        assertEquals(List.of(), due(StepInterval.NEVER));
    }

    @ParameterizedTest
    @ValueSource(doubles = {-1, -0.5, Double.NaN})
    void noOtherNumberIsAnInterval(double steps) {
        assertThrows(IllegalArgumentException.class, () -> new StepInterval(steps));
    }
}
