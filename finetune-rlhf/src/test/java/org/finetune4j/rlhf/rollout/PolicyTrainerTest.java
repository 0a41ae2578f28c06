package org.finetune4j.rlhf.rollout;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.EvaluationMetrics;
import org.finetune4j.train.StepMetrics;
import org.finetune4j.train.TrainingListener;
import org.finetune4j.train.TrainingResult;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Every method learns from rewards what no answer shows. */
@Tag("slow")
class PolicyTrainerTest {

    private static final int FEW = 20;

    /** For methods whose reward rises slowly here: what they reach in few steps is chance. */
    private static final int MANY = 40;

    static Stream<Arguments> methods() {
        return Stream.of(
                Arguments.of("grpo", new PolicyMethod.Group(GroupOptions.grpo()), 8, 1, FEW),
                Arguments.of("rloo", new PolicyMethod.Group(GroupOptions.rloo()), 4, 2, MANY),
                Arguments.of("reinforce++", new PolicyMethod.Group(GroupOptions.reinforcePlusPlus()), 1, 1, FEW),
                Arguments.of("online dpo", new PolicyMethod.OnlineDpo("sigmoid", 0.1), 2, 1, FEW),
                Arguments.of("best of n", new PolicyMethod.BestOfN(Double.NEGATIVE_INFINITY), 8, 4, FEW),
                Arguments.of("ppo", new PolicyMethod.Ppo(PpoOptions.defaults()), 1, 2, MANY));
    }

    @ParameterizedTest
    @MethodSource("methods")
    void theHeldOutRewardRises(String name, PolicyMethod method, int generations, int passes, int number) {
        List<Double> heldOut = new ArrayList<>();
        List<Map<String, Double>> steps = new ArrayList<>();
        TrainingListener listener = new TrainingListener() {
            @Override
            public void onEvaluation(EvaluationMetrics metrics) {
                heldOut.add(metrics.metric("reward"));
            }

            @Override
            public void onStep(StepMetrics metrics) {
                steps.add(metrics.metrics());
            }
        };
        RolloutOptions rollouts = RolloutOptions.of(SamplingOptions.of(generations, 4));
        try (CausalLM model = TinyPolicy.model();
                TrainingResult result = PolicyTrainer.of(model)
                        .strategy(TinyPolicy.LORA)
                        .prompts(TinyPolicy.prompts(16, 0))
                        .evaluation(TinyPolicy.prompts(16, 50))
                        .method(method)
                        .rollouts(new RolloutOptions(
                                rollouts.sampling(),
                                passes,
                                1,
                                rollouts.shaping(),
                                rollouts.collapse(),
                                rollouts.samplesPerRound()))
                        .reward("good_tokens", TinyPolicy.reward(model))
                        .arguments(TinyPolicy.arguments()
                                .maxSteps(number)
                                .evalSteps(number)
                                .build())
                        .listener(listener)
                        .train()) {
            assertEquals(number, result.summary().steps());
            assertTrue(heldOut.get(1) > heldOut.get(0) + 0.05, () -> name + ": " + heldOut);
            assertTrue(steps.get(0)
                    .keySet()
                    .containsAll(Set.of("reward", "completions/mean_length", "completions/ended")));
        }
    }
}
