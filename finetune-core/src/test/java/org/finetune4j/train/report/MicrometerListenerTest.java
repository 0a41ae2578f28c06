package org.finetune4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingPlan;
import org.junit.jupiter.api.Test;

class MicrometerListenerTest {

    @Test
    void gaugesFollowTheRunAndCountersAddUp() {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        MicrometerListener listener = new MicrometerListener(registry);
        listener.onStart(new TrainingPlan("demo", 2, 1, 0, 1, 1, Map.of()));
        for (int step = 1; step <= 2; step++) {
            listener.onStep(new StepMetrics(
                    step,
                    2,
                    0,
                    3.0 / step,
                    0.1,
                    1,
                    10,
                    5,
                    1,
                    Duration.ZERO,
                    Duration.ofMillis(4),
                    Map.of("objective/kl", 0.1 * step)));
        }
        listener.onEvaluation(new EvaluationMetrics(2, 0.5, 3, 0.25, Map.of("rougeL", 0.75)));
        listener.onCheckpoint(Path.of("checkpoint-2"), 2);
        assertEquals(
                1.5, registry.get("finetune4j.loss").tag("run", "demo").gauge().value());
        assertEquals(0.2, registry.get("finetune4j.objective.kl").gauge().value());
        assertEquals(20, registry.get("finetune4j.tokens").counter().count());
        assertEquals(2, registry.get("finetune4j.data.wait").timer().count());
        assertEquals(0.75, registry.get("finetune4j.eval.rougeL").gauge().value());
        assertEquals(1, registry.get("finetune4j.checkpoints").counter().count());

        MicrometerListener next = new MicrometerListener(registry);
        for (MicrometerListener listening : List.of(next, next)) {
            listening.onStart(new TrainingPlan("demo", 7, 1, 0, 1, 1, Map.of()));
            assertEquals(7, registry.get("finetune4j.steps.total").gauge().value(), "of the run that is under way");
        }
    }
}
