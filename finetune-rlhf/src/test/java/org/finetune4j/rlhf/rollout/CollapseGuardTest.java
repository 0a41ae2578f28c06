package org.finetune4j.rlhf.rollout;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Optional;
import org.finetune4j.model.CausalLM;
import org.finetune4j.train.EndReason;
import org.finetune4j.train.TrainingResult;
import org.finetune4j.train.steps.SourceState;
import org.junit.jupiter.api.Test;

/** A training stops where its policy collapses, and says by which sign. */
class CollapseGuardTest {

    private static final CollapseLimits LIMITS = new CollapseLimits(10, 0.1, true, 2);

    private final CollapseGuard guard = new CollapseGuard(LIMITS);

    @Test
    void aRewardThatRisesFarFromTheReferenceIsASign() {
        guard.consider(0.1, 50, 1, false);
        guard.consider(0.4, 50, 1, false);
        assertEquals(Optional.empty(), guard.sign());
        guard.consider(0.5, Double.NaN, 1, false); // not measured in this round
        guard.consider(0.5, 11, 1, false);
        assertEquals(
                "the reward rises while answers are more than 10.0 nats from the reference for 2 rounds in a row (max_kl)",
                guard.sign().orElseThrow());
    }

    @Test
    void farFromTheReferenceWithoutAHigherRewardIsNone() {
        for (int round = 0; round < 5; round++) {
            guard.consider(0.4 - 0.1 * round, 50, 1, false);
        }
        assertEquals(Optional.empty(), guard.sign());
    }

    @Test
    void noEntropyIsASign() {
        guard.consider(0, 0, 0.05, false);
        guard.consider(0, 0, 0.05, false);
        assertTrue(guard.sign().orElseThrow().startsWith("the entropy is below 0.1 nats"));
    }

    @Test
    void oneAnswerToEverythingIsASign() {
        guard.consider(0, 0, 1, true);
        guard.consider(0, 0, 1, false);
        guard.consider(0, 0, 1, true);
        assertEquals(Optional.empty(), guard.sign());
        guard.consider(0, 0, 1, true);
        assertTrue(guard.sign().orElseThrow().startsWith("all answers are the same"));
    }

    @Test
    void whatWasSeenIsKept() {
        guard.consider(0.1, 50, 1, false);
        guard.consider(0.4, 50, 0.05, true);
        SourceState state = SourceState.empty();
        guard.save(state);
        CollapseGuard resumed = new CollapseGuard(LIMITS);
        resumed.restore(state);
        resumed.consider(0.5, 50, 1, false);
        assertTrue(resumed.sign().isPresent());
    }

    @Test
    void aLimitOfZeroIsNone() {
        CollapseGuard open = new CollapseGuard(CollapseLimits.NONE);
        open.consider(0, 1e9, 0, true);
        open.consider(1, 1e9, 0, true);
        assertEquals(Optional.empty(), open.sign());
    }

    @Test
    void aTrainingEndsWithTheSignThatItSaw() {
        RolloutOptions plain = RolloutOptions.of(SamplingOptions.of(2, 4));
        RolloutOptions strict =
                new RolloutOptions(plain.sampling(), 1, 1, plain.shaping(), new CollapseLimits(0, 100, false, 2), 0);
        try (CausalLM model = TinyPolicy.model();
                TrainingResult result = PolicyTrainer.of(model)
                        .strategy(TinyPolicy.LORA)
                        .prompts(TinyPolicy.prompts(4, 0))
                        .rollouts(strict)
                        .reward("none", request -> 0)
                        .arguments(TinyPolicy.arguments().batchSize(4).build())
                        .train()) {
            assertEquals(2, result.summary().steps());
            assertEquals(EndReason.COLLAPSED, result.summary().reason());
            assertTrue(result.summary().explanation().contains("the entropy is below 100.0 nats"));
        }
    }
}
