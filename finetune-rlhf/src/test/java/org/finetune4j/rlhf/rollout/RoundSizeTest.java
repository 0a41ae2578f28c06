package org.finetune4j.rlhf.rollout;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.finetune4j.UserErrorException;
import org.finetune4j.train.arguments.TrainingArguments;
import org.junit.jupiter.api.Test;

/** How many prompts a round has: answers to one stay together, and every step has some of its own. */
class RoundSizeTest {

    private static int prompts(int batch, int accumulation, int generations, int miniBatches) {
        TrainingArguments arguments = TinyPolicy.arguments()
                .batchSize(batch)
                .gradientAccumulationSteps(accumulation)
                .build();
        RolloutOptions plain = RolloutOptions.of(SamplingOptions.of(generations, 8));
        return RoundSize.promptsPerRound(
                arguments,
                new RolloutOptions(
                        plain.sampling(),
                        plain.epochs(),
                        miniBatches,
                        plain.shaping(),
                        plain.collapse(),
                        plain.samplesPerRound()));
    }

    @Test
    void aRoundHasTheAnswersOfItsSteps() {
        assertEquals(2, prompts(4, 2, 4, 1));
        assertEquals(4, prompts(4, 2, 4, 2));
        assertEquals(3, prompts(2, 1, 2, 3));
    }

    @Test
    void aStepThatWouldHaveNoAnswersOfItsOwnIsRefused() {
        String message = assertThrows(UserErrorException.class, () -> prompts(1, 1, 2, 2))
                .getMessage();
        assertTrue(message.startsWith("num_generations is 2, but a step has 1 answers"), message);
        assertEquals(1, prompts(1, 2, 2, 1));
    }
}
