package org.finetune4j.rlhf.rollout;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.finetune4j.UserErrorException;
import org.finetune4j.model.CausalLM;
import org.finetune4j.rlhf.policy.KlCoefficient;
import org.finetune4j.rlhf.policy.ScoreShaping;
import org.finetune4j.rlhf.rewards.RewardFunction;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A run that was killed ends in the same bytes as one that was not. */
@Tag("slow")
class ResumedRolloutsTest {

    /** Nothing of a run catches it. */
    private static final class Killed extends Error {

        private static final long serialVersionUID = 1;
    }

    @TempDir
    Path directory;

    /** Told of what happens, and may kill the run. */
    private interface Killer {
        void at(String place, long number);
    }

    private static final Killer NOBODY = (place, number) -> {};

    static Stream<Arguments> methods() {
        PpoOptions plain = PpoOptions.defaults();
        PpoOptions ppo = new PpoOptions(
                new KlCoefficient.Adaptive(0.05, 1, 100),
                plain.estimator(),
                plain.advantage(),
                plain.loss(),
                true,
                0.01,
                true);
        return Stream.of(
                Arguments.of(new PolicyMethod.Group(GroupOptions.grpo()), 4, List.of("step 6")),
                Arguments.of(new PolicyMethod.OnlineDpo("sigmoid", 0.1), 2, List.of("checkpoint 3")),
                Arguments.of(new PolicyMethod.Ppo(ppo), 1, List.of("rollout 9", "step 6", "checkpoint 3")));
    }

    private byte[] run(PolicyMethod method, int generations, String name, boolean resume, Killer killer)
            throws IOException {
        Path output = directory.resolve(name);
        AtomicInteger scored = new AtomicInteger();
        try (CausalLM model = TinyPolicy.model()) {
            RewardFunction reward = TinyPolicy.reward(model);
            try (TrainingResult result = PolicyTrainer.of(model)
                    .strategy(TinyPolicy.LORA)
                    .prompts(TinyPolicy.prompts(5, 0))
                    .method(method)
                    .rollouts(new RolloutOptions(
                            SamplingOptions.of(generations, 6),
                            2,
                            2,
                            new ScoreShaping(0.5, true, 2),
                            CollapseLimits.DEFAULT,
                            1))
                    .reward("good", request -> {
                        killer.at("rollout", scored.getAndIncrement());
                        return reward.score(request);
                    })
                    .arguments(TinyPolicy.arguments()
                            .batchSize(2)
                            .gradientAccumulationSteps(2)
                            .maxSteps(7)
                            .saveSteps(1)
                            .outputDirectory(output)
                            .resume(resume)
                            .build())
                    .listener(new TrainingListener() {
                        @Override
                        public void onStep(StepMetrics metrics) {
                            killer.at("step", metrics.step());
                        }

                        @Override
                        public void onCheckpoint(Path checkpoint, long step) {
                            killer.at("checkpoint", step);
                        }
                    })
                    .train()) {
                result.saveAdapter(output.resolve("adapter"));
            }
        }
        return Files.readAllBytes(output.resolve("adapter/adapter_model.safetensors"));
    }

    @ParameterizedTest
    @MethodSource("methods")
    void whereverARunIsKilledItEndsInTheSameBytes(PolicyMethod method, int generations, List<String> killed)
            throws IOException {
        byte[] expected = run(method, generations, "whole", false, NOBODY);
        List<String> log = Files.readAllLines(directory.resolve("whole/completions.jsonl"));
        List<String> places = new ArrayList<>();
        for (String place : killed) {
            String name = place.replace(' ', '-');
            Killer killer = (kind, number) -> {
                if (place.equals(kind + " " + number)) {
                    places.add(place);
                    throw new Killed();
                }
            };
            assertThrows(Killed.class, () -> run(method, generations, name, false, killer));
            assertArrayEquals(expected, run(method, generations, name, true, NOBODY), place);
            assertEquals(log, Files.readAllLines(directory.resolve(name + "/completions.jsonl")), place);
        }
        assertEquals(killed, places);
    }

    @Test
    void aRewardThatFailsLeavesACheckpointToGoOnFrom() throws IOException {
        PolicyMethod method = new PolicyMethod.Group(GroupOptions.grpo());
        byte[] expected = run(method, 4, "whole", false, NOBODY);
        UserErrorException e = assertThrows(
                UserErrorException.class,
                () -> run(method, 4, "failed", false, (kind, number) -> {
                    if (kind.equals("rollout") && number == 13) {
                        throw new UserErrorException("reward service: cannot be reached");
                    }
                }));
        assertTrue(e.getMessage().contains("cannot be reached"), e.getMessage());
        assertArrayEquals(expected, run(method, 4, "failed", true, NOBODY));
    }
}
