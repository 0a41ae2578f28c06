package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import org.finetune4j.train.memory.MemoryPlan;
import org.finetune4j.train.report.Runs;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryListenerTest {

    @ParameterizedTest
    @CsvSource({"110, 110, 1", "110, 114, 1", "110, 150, 2"})
    void aPeakThatComesLaterIsComparedToo(long afterTwoSteps, long atTheEnd, int lines) {
        MemoryPlan plan = MemoryPlan.builder().weights(100L << 20).build();
        List<String> heard = new ArrayList<>();
        long[] peak = {50};
        List<MemoryComparison> told = new ArrayList<>();
        TrainingListener others = new TrainingListener() {
            @Override
            public void onMemory(MemoryComparison comparison) {
                told.add(comparison);
            }
        };
        MemoryListener listener = new MemoryListener(plan, heard::add, others, () -> peak[0]);
        listener.onStart(Runs.plan(4, 0));
        listener.onStep(Runs.step(1, 4));
        peak[0] = afterTwoSteps;
        listener.onStep(Runs.step(2, 4));
        listener.onStep(Runs.step(3, 4));
        peak[0] = atTheEnd;
        listener.onStep(Runs.step(4, 4));
        listener.onEnd(Runs.summary(4, false));
        assertEquals(lines, heard.size(), heard::toString);
        assertEquals(lines, told.size(), told::toString);
        assertEquals(new MemoryComparison(2, 100, afterTwoSteps), told.get(0));
        assertEquals(plan.compare(afterTwoSteps), heard.get(0));
        assertEquals(plan.compare(lines == 1 ? afterTwoSteps : atTheEnd), heard.get(lines - 1));
    }
}
