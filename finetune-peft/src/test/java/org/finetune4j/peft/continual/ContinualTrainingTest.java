package org.finetune4j.peft.continual;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.model.safetensors.SafetensorsFile;
import org.finetune4j.peft.PeftParityTest;
import org.finetune4j.peft.lora.Lora;
import org.finetune4j.strategy.Adapter;
import org.finetune4j.strategy.AdapterFormat;
import org.finetune4j.tensor.TensorScope;
import org.finetune4j.train.FineTuner;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.SyntheticSamples;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.arguments.StepInterval;
import org.finetune4j.train.arguments.TrainingArguments;
import org.finetune4j.train.optimizer.LearningRateSchedule;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Rows of tasks on a tiny model: what a task leaves for the next one, and that a row which is stopped comes to the same. */
class ContinualTrainingTest {

    private static final Path LLAMA = PeftParityTest.BASES.resolve("llama");
    private static final String WEIGHTS = "adapter_model.safetensors";

    @TempDir
    Path directory;

    static Stream<ContinualMethod> methods() {
        return Stream.of(
                new ContinualMethod.Sequential(),
                new ContinualMethod.Replay(2000, 0.5),
                new ContinualMethod.Ewc(1, 4),
                new ContinualMethod.OLora(0.5),
                new ContinualMethod.L2(0.1));
    }

    /** @param stopAfter steps of all tasks together after which it is asked to stop */
    private static Optional<ScoreMatrix> learn(
            Path output, ContinualMethod method, int count, long stopAfter, List<String> steps) {
        try (CausalLM model = CausalLM.load(LLAMA)) {
            ContinualTraining[] training = new ContinualTraining[1];
            long[] done = {0};
            List<ContinualTask> tasks = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                String name = "task" + i;
                SyntheticSamples samples = new SyntheticSamples(8, 199, 3 + i);
                tasks.add(new ContinualTask(name, samples, (place, resumes) -> FineTuner.of(model)
                        .dataset(samples)
                        .evaluation(samples)
                        .arguments(TrainingArguments.builder()
                                .batchSize(4)
                                .maxSteps(4)
                                .learningRate(2e-2)
                                .weightDecay(0.1)
                                .schedule(LearningRateSchedule.CONSTANT)
                                .evaluation(StepInterval.NEVER)
                                .outputDirectory(place)
                                .resume(resumes)
                                .build())
                        .listener(new TrainingListener() {
                            @Override
                            public void onStep(StepMetrics metrics) {
                                steps.add(name + " " + metrics.step());
                                if (++done[0] == stopAfter) {
                                    training[0].requestStop();
                                }
                            }
                        })));
            }
            training[0] = new ContinualTraining(
                            model,
                            Lora.builder()
                                    .rank(2)
                                    .alpha(4)
                                    .targetModules("q_proj", "v_proj")
                                    .build(),
                            method,
                            tasks,
                            output)
                    .identity(Map.of("method", method.name()));
            return training[0].run();
        }
    }

    @ParameterizedTest
    @MethodSource("methods")
    void aRowThatIsStoppedAgainAndAgainEndsInTheSameBytesAndScores(ContinualMethod method) throws IOException {
        Path whole = directory.resolve("whole");
        ScoreMatrix expected =
                learn(whole, method, 2, Long.MAX_VALUE, new ArrayList<>()).orElseThrow();
        Path parts = directory.resolve("parts");
        List<String> steps = new ArrayList<>();
        Optional<ScoreMatrix> scores = Optional.empty();
        int runs = 0;
        while (scores.isEmpty()) {
            scores = learn(parts, method, 2, 3, steps);
            assertTrue(runs++ < 20, "it comes to an end");
        }
        assertTrue(runs > 2, "it was stopped");
        assertEquals(expected, scores.get());
        assertEquals(8, steps.stream().distinct().count());
        assertEquals(8, steps.size(), "no step is done twice");
        assertArrayEquals(Files.readAllBytes(whole.resolve(WEIGHTS)), Files.readAllBytes(parts.resolve(WEIGHTS)));
        try (CausalLM model = CausalLM.load(LLAMA);
                Adapter adapter = AdapterFormat.load(model, whole, false)) {
            assertTrue(adapter.isEnabled(), "it is an adapter as any other");
        }
    }

    @Test
    void earlierTasksOfOLoraStayInTheAdapterToTheBit() {
        learn(directory, new ContinualMethod.OLora(0.5), 3, Long.MAX_VALUE, new ArrayList<>());
        try (TensorScope scope = TensorScope.open();
                SafetensorsFile first = SafetensorsFile.open(directory.resolve("1-task0/adapter/" + WEIGHTS));
                SafetensorsFile last = SafetensorsFile.open(directory.resolve(WEIGHTS))) {
            for (String key : first.names()) {
                int dimension = key.endsWith("lora_A.weight") ? 0 : 1;
                assertEquals(2, first.tensor(key).size(dimension));
                assertEquals(6, last.tensor(key).size(dimension));
                assertArrayEquals(
                        first.tensor(key).toFloatArray(),
                        last.tensor(key).narrow(dimension, 0, 2).contiguous().toFloatArray(),
                        key);
            }
        }
    }

    @Test
    void aStrongPenaltyKeepsTheScoresOfTheFirstTaskAndNoneDoesNot() {
        ScoreMatrix free = learn(
                        directory.resolve("free"),
                        new ContinualMethod.Sequential(),
                        2,
                        Long.MAX_VALUE,
                        new ArrayList<>())
                .orElseThrow();
        ScoreMatrix held = learn(
                        directory.resolve("held"), new ContinualMethod.L2(1e4), 2, Long.MAX_VALUE, new ArrayList<>())
                .orElseThrow();
        assertEquals(free.rows().subList(0, 2), held.rows().subList(0, 2), "the first task is the same");
        double moved = Math.abs(free.rows().get(2).get(0) - free.rows().get(1).get(0));
        double kept = Math.abs(held.rows().get(2).get(0) - held.rows().get(1).get(0));
        assertTrue(kept < moved, kept + " and " + moved);
    }

    @Test
    void whatIsKeptForReplayIsWithinItsBudget() throws IOException {
        learn(directory, new ContinualMethod.Replay(700, 0.5), 3, Long.MAX_VALUE, new ArrayList<>());
        for (int i = 0; i < 3; i++) {
            Path file = directory.resolve((i + 1) + "-task" + i + "/adapter/replay.jsonl");
            assertTrue(Files.size(file) <= 700 && Files.size(file) > 0, file + " has " + Files.size(file) + " bytes");
        }
    }

    @Test
    void anotherRowInTheSameDirectoryIsRefused() {
        learn(directory, new ContinualMethod.Sequential(), 2, 2, new ArrayList<>());
        UserErrorException refused = assertThrows(
                UserErrorException.class,
                () -> learn(directory, new ContinualMethod.L2(1), 2, Long.MAX_VALUE, new ArrayList<>()));
        assertTrue(refused.getMessage().contains("method was sequential, is l2"), refused.getMessage());
    }
}
