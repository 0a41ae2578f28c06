package org.finetune4j.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class ListenerChainTest {

    private static final StepMetrics STEP =
            new StepMetrics(1, 2, 0.5, 1.0, 1e-3, 1.0, 8, 4, 100, Duration.ofSeconds(1));

    private final List<String> heard = new ArrayList<>();

    @Test
    void everyEventReachesEveryListenerInOrder() {
        ListenerChain chain = ListenerChain.of(new Recorder("a"), new Recorder("b"));

        chain.onStart(new TrainingPlan("run", 2, 1, 0, 1, 2, Map.of()));
        chain.onStep(STEP);
        chain.onEvaluation(new EvaluationMetrics(1, 1.0, 4, null));
        chain.onCheckpoint(Path.of("checkpoint-1"), 1);
        chain.onSamples(List.of());
        chain.onEnd(new TrainingSummary(2, 1.0, null, Duration.ZERO, 1, EndReason.COMPLETED, "done"));
        chain.onFailure(new IllegalStateException());

        assertEquals(
                List.of(
                        "a start",
                        "b start",
                        "a step",
                        "b step",
                        "a evaluation",
                        "b evaluation",
                        "a checkpoint",
                        "b checkpoint",
                        "a samples",
                        "b samples",
                        "a end",
                        "b end",
                        "a failure",
                        "b failure"),
                heard);
    }

    @Test
    void aFailingListenerStopsNeitherTheOthersNorItsOwnLaterEvents() {
        int[] calls = {0};
        TrainingListener failing = new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                calls[0]++;
                throw new IllegalStateException("disk full");
            }
        };
        ListenerChain chain = ListenerChain.of(failing, new Recorder("b"));

        String log = standardErrorOf(() -> {
            chain.onStep(STEP);
            chain.onStep(STEP);
            chain.onStep(STEP);
        });

        assertEquals(List.of("b step", "b step", "b step"), heard);
        assertEquals(3, calls[0]);
        assertEquals(1, log.split("disk full", -1).length - 1, "the failure is logged once: " + log);
    }

    @Test
    void aRunThatIsRefusedBeforeItStartsIsNotToldOf() {
        ListenerChain chain = ListenerChain.of(new Recorder("a"));
        chain.onFailure(new IllegalStateException("refused"));
        assertEquals(List.of(), heard);
    }

    @Test
    void anErrorIsNotHidden() {
        TrainingListener failing = new TrainingListener() {
            @Override
            public void onStep(StepMetrics metrics) {
                throw new OutOfMemoryError("no more");
            }
        };

        assertThrows(OutOfMemoryError.class, () -> ListenerChain.of(failing).onStep(STEP));
    }

    private static String standardErrorOf(Runnable action) {
        PrintStream original = System.err;
        ByteArrayOutputStream captured = new ByteArrayOutputStream();
        System.setErr(new PrintStream(captured, true, StandardCharsets.UTF_8));
        try {
            action.run();
        } finally {
            System.setErr(original);
        }
        return captured.toString(StandardCharsets.UTF_8);
    }

    private final class Recorder implements TrainingListener {
        private final String name;

        Recorder(String name) {
            this.name = name;
        }

        @Override
        public void onStart(TrainingPlan plan) {
            heard.add(name + " start");
        }

        @Override
        public void onStep(StepMetrics metrics) {
            heard.add(name + " step");
        }

        @Override
        public void onEvaluation(EvaluationMetrics metrics) {
            heard.add(name + " evaluation");
        }

        @Override
        public void onCheckpoint(Path directory, long step) {
            heard.add(name + " checkpoint");
        }

        @Override
        public void onSamples(List<SampleComparison> samples) {
            heard.add(name + " samples");
        }

        @Override
        public void onEnd(TrainingSummary summary) {
            heard.add(name + " end");
        }

        @Override
        public void onFailure(Throwable failure) {
            heard.add(name + " failure");
        }
    }

    /** An event that is new is easily forgotten: a default method of the interface does nothing, and nobody notices. */
    @Test
    void everyEventIsPassedOn() {
        List<String> events = Stream.of(TrainingListener.class.getMethods())
                .map(Method::getName)
                .sorted()
                .toList();
        List<String> passedOn = Stream.of(ListenerChain.class.getDeclaredMethods())
                .filter(method -> method.getName().startsWith("on") && Modifier.isPublic(method.getModifiers()))
                .map(Method::getName)
                .sorted()
                .toList();
        assertEquals(events, passedOn);
    }
}
