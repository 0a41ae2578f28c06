package org.finetune4j.train.event;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.finetune4j.data.Sample;
import org.finetune4j.data.TrainingDataset;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a flight recording of a training holds, read back from its file. */
class FlightRecorderTest {

    private static final Path LLAMA = Path.of("src/test/resources/goldens/arch/llama");
    private static final int STEPS = 4;

    @TempDir
    private Path directory;

    @Test
    void aRecordingHoldsStepsDataWaitsCheckpointsAndEvaluations() throws IOException {
        List<StepMetrics> metrics = new ArrayList<>();
        List<RecordedEvent> events = record(metrics);

        List<RecordedEvent> steps = named(events, "org.finetune4j.TrainingStep");
        assertEquals(STEPS, steps.size());
        for (int i = 0; i < STEPS; i++) {
            RecordedEvent step = steps.get(i);
            assertEquals(i + 1, step.getLong("step"));
            assertEquals(metrics.get(i).loss(), step.getDouble("loss"));
            assertEquals(metrics.get(i).gradientNorm(), step.getDouble("gradientNorm"));
            assertEquals(metrics.get(i).learningRate(), step.getDouble("learningRate"));
            assertEquals(metrics.get(i).tokens(), step.getLong("tokens"));
            assertFalse(step.getDuration().isZero());
        }

        List<RecordedEvent> waits = named(events, "org.finetune4j.DataWait");
        assertEquals(STEPS, waits.size());
        for (int i = 0; i < STEPS; i++) {
            RecordedEvent wait = waits.get(i);
            assertEquals(i + 1, wait.getLong("step"));
            assertEquals(2, wait.getInt("batches"));
            // A step waits for its data inside of the step.
            assertFalse(wait.getStartTime().isBefore(steps.get(i).getStartTime()));
            assertFalse(wait.getEndTime().isAfter(steps.get(i).getEndTime()));
        }

        List<RecordedEvent> checkpoints = named(events, "org.finetune4j.Checkpoint");
        assertEquals(Set.of(2L, 4L), longs(checkpoints, "step"));
        assertTrue(Files.isDirectory(Path.of(checkpoints.get(1).getString("directory"))));

        List<RecordedEvent> evaluations = named(events, "org.finetune4j.Evaluation");
        assertEquals(Set.of(0L, 2L, 4L), longs(evaluations, "step"));
        assertTrue(evaluations.stream().allMatch(event -> event.getDouble("loss") > 0));
    }

    private List<RecordedEvent> record(List<StepMetrics> metrics) throws IOException {
        Path file = directory.resolve("run.jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            train(metrics);
            recording.stop();
            recording.dump(file);
        }
        return RecordingFile.readAllEvents(file);
    }

    private void train(List<StepMetrics> metrics) {
        TrainingArguments arguments = TrainingArguments.builder()
                .batchSize(2)
                .gradientAccumulationSteps(2)
                .maxSteps(STEPS)
                .evalSteps(2)
                .saveSteps(2)
                .outputDirectory(directory.resolve("out"))
                .build();
        try (CausalLM model = CausalLM.load(LLAMA)) {
            FineTuner.of(model)
                    .dataset(samples())
                    .evaluation(samples())
                    .arguments(arguments)
                    .listener(new TrainingListener() {
                        @Override
                        public void onStep(StepMetrics step) {
                            metrics.add(step);
                        }
                    })
                    .messages(message -> {})
                    .train()
                    .close();
        }
    }

    private static TrainingDataset samples() {
        return new TrainingDataset() {
            @Override
            public int size() {
                return 11;
            }

            @Override
            public Sample get(int index) {
                int[] ids = {1, 5 + index, 6, 7};
                return new Sample(ids, ids.clone());
            }
        };
    }

    private static List<RecordedEvent> named(List<RecordedEvent> events, String name) {
        return events.stream()
                .filter(event -> event.getEventType().getName().equals(name))
                .sorted((a, b) -> a.getStartTime().compareTo(b.getStartTime()))
                .toList();
    }

    private static Set<Long> longs(List<RecordedEvent> events, String field) {
        return events.stream().map(event -> event.getLong(field)).collect(Collectors.toCollection(TreeSet::new));
    }
}
