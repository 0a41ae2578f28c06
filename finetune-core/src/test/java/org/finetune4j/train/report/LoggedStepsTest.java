package org.finetune4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingPlan;
import org.finetune4j.train.arguments.StepInterval;
import org.junit.jupiter.api.Test;

/** Reports hear of as many steps as asked, with the mean loss of those that they do not hear of. */
class LoggedStepsTest {

    private final List<StepMetrics> heard = new ArrayList<>();
    private final TrainingListener listener = new TrainingListener() {
        @Override
        public void onStep(StepMetrics metrics) {
            heard.add(metrics);
        }
    };

    /** Eight steps of two epochs, the loss of each is its number, from a step on. */
    private List<StepMetrics> run(StepInterval interval, boolean first, long from) {
        heard.clear();
        LoggedSteps logged = new LoggedSteps(interval, first, List.of(listener));
        logged.onStart(new TrainingPlan("run", 8, 2, from - 1, 1, 1, Map.of()));
        for (long step = from; step <= 8; step++) {
            logged.onStep(new StepMetrics(
                    step,
                    8,
                    step / 4.0,
                    step,
                    1e-3,
                    2,
                    100,
                    10,
                    50,
                    Duration.ofSeconds(step),
                    Duration.ofMillis(5),
                    step % 2 == 0 ? Map.of("reward", 10.0 * step) : Map.of()));
        }
        return heard;
    }

    private static List<Long> steps(List<StepMetrics> metrics) {
        return metrics.stream().map(StepMetrics::step).toList();
    }

    @Test
    void theLossIsTheMeanSinceTheLastLog() {
        List<StepMetrics> logs = run(StepInterval.every(3), false, 1);
        assertEquals(List.of(3L, 6L), steps(logs));
        assertEquals(2, logs.get(0).loss());
        assertEquals(5, logs.get(1).loss());
        assertEquals(300, logs.get(1).tokens());
        assertEquals(30, logs.get(1).labelledTokens());
        assertEquals(50, logs.get(1).tokensPerSecond(), 1e-9);
        assertEquals(Duration.ofMillis(15), logs.get(1).dataWait());
    }

    @Test
    void furtherMetricsAreMeansOverTheStepsThatHaveThem() {
        List<StepMetrics> logs = run(StepInterval.every(4), true, 1);
        assertEquals(
                List.of(Map.of(), Map.of("reward", 30.0), Map.of("reward", 70.0)),
                logs.stream().map(StepMetrics::metrics).toList());
    }

    @Test
    void theFirstStepIsLoggedWhenAsked() {
        List<StepMetrics> logs = run(StepInterval.every(4), true, 1);
        assertEquals(List.of(1L, 4L, 8L), steps(logs));
        assertEquals(3, logs.get(1).loss());
    }

    @Test
    void epochsSharesAndNever() {
        assertEquals(List.of(4L, 8L), steps(run(StepInterval.EPOCH, false, 1)));
        assertEquals(List.of(2L, 4L, 6L, 8L), steps(run(new StepInterval(0.25), false, 1)));
        assertEquals(List.of(), steps(run(StepInterval.NEVER, false, 1)));
    }

    @Test
    void aResumedRunStartsAMeanOfItsOwn() {
        List<StepMetrics> logs = run(StepInterval.every(4), false, 7);
        assertEquals(List.of(8L), steps(logs));
        assertEquals(7.5, logs.get(0).loss());
    }

    @Test
    void warningsAreHeardTooBeforeTheStart() {
        List<String> warnings = new ArrayList<>();
        TrainingListener reporter = new TrainingListener() {
            @Override
            public void onWarning(String message) {
                warnings.add(message);
            }
        };
        new LoggedSteps(StepInterval.every(3), false, List.of(reporter)).onWarning("long rows");
        assertEquals(List.of("long rows"), warnings);
    }
}
