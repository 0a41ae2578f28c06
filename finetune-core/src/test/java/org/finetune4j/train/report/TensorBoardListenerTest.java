package org.finetune4j.train.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingPlan;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TensorBoardListenerTest {

    @TempDir
    Path directory;

    @Test
    void stepsAndEvaluationsBecomeScalarsAtTheirStep() {
        Runs.complete(new TensorBoardListener(directory), 10);

        List<EventFile.Event> events = onlyFile();
        List<Long> trainSteps = stepsOf(events, "train/loss");
        assertEquals(List.of(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L), trainSteps);
        assertEquals(11, stepsOf(events, "eval/loss").size());
        EventFile.Event step = events.stream()
                .filter(event -> event.scalars().containsKey("train/loss"))
                .findFirst()
                .orElseThrow();
        assertEquals(
                Set.of(
                        "train/loss",
                        "train/learning_rate",
                        "train/grad_norm",
                        "train/tokens_per_second",
                        "train/epoch"),
                step.scalars().keySet());
        assertEquals((float) Runs.step(1, 10).loss(), step.scalars().get("train/loss"));
        EventFile.Event evaluation = events.get(events.size() - 1);
        assertEquals(
                Set.of("eval/loss", "eval/perplexity", "eval/exact_match"),
                evaluation.scalars().keySet());
        assertEquals(
                (float) Math.exp(Runs.evaluation(10, 10).loss()),
                evaluation.scalars().get("eval/perplexity"));
    }

    @Test
    void whatATrainingMeasuresBesidesIsThereUnderItsName() {
        TensorBoardListener listener = new TensorBoardListener(directory);
        listener.onStart(Runs.plan(10, 0));
        listener.onStep(new StepMetrics(
                1, 10, 0.1, 2, 1e-3, 1, 10, 5, 100, Duration.ZERO, Duration.ZERO, Map.of("objective/kl", 0.5)));
        listener.onEvaluation(new EvaluationMetrics(1, 2.0, 5, null, Map.of("rewards/margins", 0.25)));
        listener.onEnd(Runs.summary(1, true));

        assertEquals(List.of(1L), stepsOf(onlyFile(), "train/objective/kl"));
        assertEquals(List.of(1L), stepsOf(onlyFile(), "eval/rewards/margins"));
    }

    @Test
    void exactMatchIsLeftOutWhereItWasNotMeasured() {
        TensorBoardListener listener = new TensorBoardListener(directory);
        listener.onStart(Runs.plan(10, 0));
        listener.onEvaluation(new EvaluationMetrics(1, 2.0, 5, null));
        listener.onEnd(Runs.summary(1, true));

        assertTrue(stepsOf(onlyFile(), "eval/exact_match").isEmpty());
    }

    @Test
    void theConfigurationIsATableOfWhichValuesCannotBreakTheCells() {
        TensorBoardListener listener = new TensorBoardListener(directory);
        listener.onStart(new TrainingPlan("run", 1, 1, 0, 1, 1, Map.of("template", "a|b\nc")));
        listener.onFailure(new IllegalStateException());

        assertEquals(
                "| key | value |\n| --- | --- |\n| template | a\\|b c |\n",
                onlyFile().get(2).texts().get("configuration"));
    }

    @Test
    void aNewRunAsksTensorBoardToDropAllAndAResumedOneOnlyWhatComesAfterItsStart() {
        TensorBoardListener listener = new TensorBoardListener(directory);
        listener.onStart(Runs.plan(10, 0));
        Runs.steps(listener, 0, 7, 10);
        listener.onStart(Runs.plan(10, 5));
        Runs.steps(listener, 5, 10, 10);
        listener.onEnd(Runs.summary(10, false));

        List<Path> files = EventFile.in(directory);
        assertEquals(2, files.size());
        assertEquals(0, sessionStart(files.get(0)));
        assertEquals(6, sessionStart(files.get(1)));
        assertEquals(List.of(6L, 7L, 8L, 9L, 10L), stepsOf(EventFile.read(files.get(1)), "train/loss"));
    }

    private static long sessionStart(Path file) {
        return EventFile.read(file).stream()
                .filter(event -> event.sessionStatus() == 1)
                .findFirst()
                .orElseThrow()
                .step();
    }

    private List<EventFile.Event> onlyFile() {
        List<Path> files = EventFile.in(directory);
        assertEquals(1, files.size());
        return EventFile.read(files.get(0));
    }

    private static List<Long> stepsOf(List<EventFile.Event> events, String tag) {
        return events.stream()
                .filter(event -> event.scalars().containsKey(tag))
                .map(EventFile.Event::step)
                .toList();
    }
}
